#Requires -Version 5.1
# Has the DNS server read a zone from the directory at once; by itself it looks there every three minutes.
[CmdletBinding()]
param([string]$InputPath, [object]$Document)
. "$PSScriptRoot\common.ps1"
$Document = Read-Document $InputPath $Document
$name = Get-Field $Document 'zone'
$zone = Get-CimInstance -Namespace 'root\MicrosoftDNS' -ClassName MicrosoftDNS_Zone -Filter "Name='$name'"
if ($null -eq $zone) { throw "this machine's DNS server has no zone $name" }
$null = Invoke-CimMethod -InputObject $zone -MethodName UpdateFromDS
Write-Document @{ changed = @($Changes) }
