#Requires -Version 5.1
# Has the domain's zone name each machine, and the domain itself, by its address in the lab and by no other.
[CmdletBinding()]
param([string]$InputPath, [object]$Document)
. "$PSScriptRoot\common.ps1"
$Document = Read-Document $InputPath $Document
$topology = Get-Field $Document 'topology'
$zone = Get-Field $topology 'dns'

# Both the DNS server and Netlogon would name the domain controller by every address it has, with each start anew.
$services = 'HKLM:\SYSTEM\CurrentControlSet\Services'
$own = Get-Field (Get-Machine $Document) 'address'
Set-ServiceValue DNS @(, @("$services\DNS\Parameters", 'PublishAddresses', 'String', $own))
Set-ServiceValue Netlogon @(, @("$services\Netlogon\Parameters", 'RegisterDnsARecords', 'DWord', 0))
Wait-Until "the zone $zone" 300 5 { $null -ne (Get-DnsServerZone -Name $zone -ErrorAction SilentlyContinue) }

$addresses = [ordered]@{ '@' = $own }
foreach ($each in @(Get-Field $topology 'machines')) { $addresses[(Get-Field $each 'name')] = Get-Field $each 'address' }
foreach ($name in $addresses.Keys) {
    $address = $addresses[$name]
    # Members register themselves; the domain controller's second adapter registers an address nobody reaches. Without -Node the
    # names below come along, and below '@' are all.
    $records = @(Get-DnsServerResourceRecord -ZoneName $zone -Name $name -RRType A -Node -ErrorAction SilentlyContinue)
    foreach ($one in $records) {
        $data = "$($one.RecordData.IPv4Address)"
        if ($data -ne $address) {
            Remove-DnsServerResourceRecord -ZoneName $zone -Name $name -RRType A -RecordData $data -Force
            Add-Change "dns: $name no longer $data"
        }
    }
    if (-not @($records | Where-Object { "$($_.RecordData.IPv4Address)" -eq $address }).Count) {
        Add-DnsServerResourceRecordA -ZoneName $zone -Name $name -IPv4Address $address
        Add-Change "dns: $name $address"
    }
}
Step-Answer
