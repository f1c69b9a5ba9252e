#Requires -Version 5.1
# Has the machine ask the lab's domain controller for names, and register its address in the lab alone.
[CmdletBinding()]
param([string]$InputPath, [object]$Document)
. "$PSScriptRoot\common.ps1"
$Document = Read-Document $InputPath $Document
$own = Get-Field (Get-Machine $Document) 'address'
$server = Get-Field (Get-MachineOfRole $Document 'domain-controller') 'address'
$lab = (Get-NetIPAddress -IPAddress $own).InterfaceAlias

# Every adapter, because Windows asks the servers of another one too, which know nothing of the lab.
$adapters = @(Get-DnsClientServerAddress -AddressFamily IPv4 | Where-Object { $_.InterfaceAlias -notlike 'Loopback*' })
foreach ($each in $adapters) {
    if ((@($each.ServerAddresses) -join ',') -ne $server) {
        Set-DnsClientServerAddress -InterfaceAlias $each.InterfaceAlias -ServerAddresses @($server)
        Add-Change "name server of $($each.InterfaceAlias): $server"
    }
    $registers = $each.InterfaceAlias -eq $lab
    if ((Get-DnsClient -InterfaceAlias $each.InterfaceAlias).RegisterThisConnectionsAddress -ne $registers) {
        Set-DnsClient -InterfaceAlias $each.InterfaceAlias -RegisterThisConnectionsAddress $registers
        Add-Change "registers the address of $($each.InterfaceAlias): $registers"
    }
}
Step-Answer
