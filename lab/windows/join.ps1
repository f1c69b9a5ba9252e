#Requires -Version 5.1
# Makes the machine a member of the lab's domain.
[CmdletBinding()]
param([string]$InputPath, [object]$Document)
. "$PSScriptRoot\common.ps1"
$Document = Read-Document $InputPath $Document
$topology = Get-Field $Document 'topology'
$dns = Get-Field $topology 'dns'
$domain = Get-Field $topology 'domain'
$system = Get-CimInstance -ClassName Win32_ComputerSystem
$parameters = 'HKLM:\SYSTEM\CurrentControlSet\Services\Tcpip\Parameters'

if ($system.PartOfDomain) {
    if ($system.Domain -ne $dns) { throw "this machine is a member of $($system.Domain), not of $dns" }
    # `Domain` is the suffix in use, `NV Domain` the one after the next start.
    if ((Get-RegistryValue $parameters 'Domain') -eq $dns) { return Step-Answer }
    return Step-Answer -Needs 'restart'
}

$found = Resolve-DnsName -Name "_ldap._tcp.dc._msdcs.$dns" -Type SRV -ErrorAction SilentlyContinue
if (-not @($found).Count) { return Step-Answer -Needs 'domain' }

$credential = New-Object System.Management.Automation.PSCredential -ArgumentList "$domain\Administrator", (Get-Secret $Document 'administrator')
Add-Computer -DomainName $dns -Credential $credential -Force
Add-Change "member of $dns"
Step-Answer -Needs 'restart'
