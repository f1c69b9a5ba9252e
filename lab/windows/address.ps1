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

# Where Vagrant's plugin gives no address (Hyper-V, VMware), the lab's adapter is the one that leads nowhere else. It may have
# been connected a moment ago.
function Get-Inside {
    # The adapters that are connected and lead nowhere else.
    $outside = @(Get-NetRoute -DestinationPrefix '0.0.0.0/0' -ErrorAction SilentlyContinue | ForEach-Object { $_.InterfaceAlias })
    Get-NetAdapter -Name '*' | Where-Object { "$($_.Status)" -eq 'Up' -and $outside -notcontains $_.Name } | ForEach-Object { $_.Name }
}
Wait-Until "one adapter, besides that to the outside, that is connected to the lab's network and takes the address $address" 60 5 {
    @(Get-Inside).Count -eq 1 }
$own = Get-Inside
$null = New-NetIPAddress -InterfaceAlias $own -IPAddress $address -PrefixLength $length
Add-Change "address: $address on $own"
Step-Answer
