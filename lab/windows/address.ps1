#Requires -Version 5.1
# Sees to it that an adapter has the machine's address in the lab's network.
[CmdletBinding()]
param([string]$InputPath, [object]$Document)
. "$PSScriptRoot\common.ps1"
$Document = Read-Document $InputPath $Document
$topology = Get-Field $Document 'topology'
$address = Get-Field (Get-Machine $Document) 'address'
$length = [byte]((Get-Field $topology 'network') -split '/')[1]

if (@(Get-NetIPAddress -IPAddress $address -ErrorAction SilentlyContinue).Count) { return Step-Answer }

# Where the hypervisor's plugin gives no address (Hyper-V), the lab's adapter has only one that it gave itself.
$own = @(Get-NetIPAddress -AddressFamily IPv4 | Where-Object { $_.IPAddress -like '169.254.*' })
if ($own.Count -ne 1) {
    throw "no adapter has the address $address, and $($own.Count) have none from anybody: connect one adapter to the lab's network"
}
$null = New-NetIPAddress -InterfaceAlias $own[0].InterfaceAlias -IPAddress $address -PrefixLength $length
Add-Change "address: $address on $($own[0].InterfaceAlias)"
Step-Answer
