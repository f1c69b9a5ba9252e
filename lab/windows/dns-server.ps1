#Requires -Version 5.1
# Has the domain's zone name each machine by its address in the lab, and by no other.
[CmdletBinding()]
param([string]$InputPath, [object]$Document)
. "$PSScriptRoot\common.ps1"
$Document = Read-Document $InputPath $Document
$topology = Get-Field $Document 'topology'
$zone = Get-Field $topology 'dns'
$own = Get-Field (Get-Machine $Document) 'name'

foreach ($each in @(Get-Field $topology 'machines')) {
    $name = Get-Field $each 'name'
    $address = Get-Field $each 'address'
    # Members register themselves; the domain controller's second adapter registers an address nobody reaches.
    $records = @(Get-DnsServerResourceRecord -ZoneName $zone -Name $name -RRType A -ErrorAction SilentlyContinue)
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
    if ($name -eq $own) {
        foreach ($one in @(Get-DnsServerResourceRecord -ZoneName $zone -Name '@' -RRType A -ErrorAction SilentlyContinue)) {
            $data = "$($one.RecordData.IPv4Address)"
            if ($data -ne $address) {
                Remove-DnsServerResourceRecord -ZoneName $zone -Name '@' -RRType A -RecordData $data -Force
                Add-Change "dns: the domain no longer $data"
            }
        }
    }
}
Step-Answer
