#Requires -Version 5.1
# Installs IIS with Windows authentication, Basic authentication, ASP.NET 4.8 and failed request tracing.
[CmdletBinding()]
param([string]$InputPath, [object]$Document)
. "$PSScriptRoot\common.ps1"
$Document = Read-Document $InputPath $Document
$features = @('Web-Server', 'Web-Windows-Auth', 'Web-Basic-Auth', 'Web-Asp-Net45', 'Web-Http-Tracing', 'Web-Http-Logging', 'Web-Scripting-Tools')
if (Add-Feature $features) { return Step-Answer -Needs 'restart' }

# Every site traces the requests that failed; the log has substatus and win32 status by itself.
$where = @{ PSPath = 'MACHINE/WEBROOT/APPHOST' }
$defaults = 'system.applicationHost/sites/siteDefaults/traceFailedRequestsLogging'
if ("$((Get-WebConfigurationProperty @where -Filter $defaults -Name enabled).Value)" -ne 'True') {
    Set-WebConfigurationProperty @where -Filter $defaults -Name enabled -Value $true
    Add-Change 'IIS: failed request tracing for every site'
}
$traces = 'system.webServer/tracing/traceFailedRequests'
if (-not @(Get-WebConfigurationProperty @where -Filter "$traces/add[@path='*']" -Name path).Count) {
    Add-WebConfigurationProperty @where -Filter $traces -Name '.' -Value @{ path = '*' }
    Add-Change 'IIS: trace every path'
}
if ("$((Get-WebConfigurationProperty @where -Filter "$traces/add[@path='*']/failureDefinitions" -Name statusCodes).Value)" -ne '400-999') {
    Set-WebConfigurationProperty @where -Filter "$traces/add[@path='*']/failureDefinitions" -Name statusCodes -Value '400-999'
    Add-Change 'IIS: trace refusals and errors'
}
$server = "$traces/add[@path='*']/traceAreas/add[@provider='WWW Server']"
$areas = 'Authentication,Security,RequestNotifications'
$told = 'IIS: trace authentication, and which module set an error'
if (-not @(Get-WebConfigurationProperty @where -Filter $server -Name provider).Count) {
    Add-WebConfigurationProperty @where -Filter "$traces/add[@path='*']/traceAreas" -Name '.' -Value @{
        provider = 'WWW Server'; areas = $areas; verbosity = 'Verbose' }
    Add-Change $told
} else {
    $found = Get-WebConfigurationProperty @where -Filter $server -Name areas # its words, or an attribute that has them
    if ("$(if ($found -is [string]) { $found } else { $found.Value })" -ne $areas) {
        Set-WebConfigurationProperty @where -Filter $server -Name areas -Value $areas
        Add-Change $told
    }
}
Step-Answer
