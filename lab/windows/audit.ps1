#Requires -Version 5.1
# Has Windows log who signs in and which tickets are asked for.
[CmdletBinding()]
param([string]$InputPath, [object]$Document)
. "$PSScriptRoot\common.ps1"
$Document = Read-Document $InputPath $Document
$role = Get-Field (Get-Machine $Document) 'role'

# Subcategories by their identifiers, which are the same in every language (MS-GPAC 2.2.1.3).
$wanted = @{ '{0CCE9215-69AE-11D9-BED3-505054503030}' = 'Logon' }
if ($role -eq 'domain-controller') {
    $wanted['{0CCE9242-69AE-11D9-BED3-505054503030}'] = 'Kerberos Authentication Service'
    $wanted['{0CCE9240-69AE-11D9-BED3-505054503030}'] = 'Kerberos Service Ticket Operations'
    $wanted['{0CCE923F-69AE-11D9-BED3-505054503030}'] = 'Credential Validation'
}
# The boxes' Windows speaks English; in another language all of this is merely set with every run.
$both = 'Success and Failure'
foreach ($each in @($wanted.Keys | Sort-Object)) {
    # A line of the report: machine, target, subcategory, identifier, what is included, what is excluded.
    $line = Invoke-Program 'auditpol.exe' @('/get', "/subcategory:$each", '/r') | Where-Object { $_ -like "*$each*" }
    if (@("$line" -split ',')[4] -eq $both) { continue }
    $null = Invoke-Program 'auditpol.exe' @('/set', "/subcategory:$each", '/success:enable', '/failure:enable')
    Add-Change "audit: $($wanted[$each])"
}
Step-Answer
