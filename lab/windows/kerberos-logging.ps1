#Requires -Version 5.1
# Has Kerberos log every error, on the client's side and on the KDC's, and keep nothing that the next scenario would meet.
[CmdletBinding()]
param([string]$InputPath, [object]$Document)
. "$PSScriptRoot\common.ps1"
$Document = Read-Document $InputPath $Document
$parameters = 'HKLM:\SYSTEM\CurrentControlSet\Control\Lsa\Kerberos\Parameters'
Set-RegistryValue $parameters 'LogLevel' 'DWord' 1
# Kept for a quarter of an hour otherwise: tickets by S4U, refusals of one, and which names are unknown. The next scenario differs.
foreach ($each in 'S4UTicketLifetime', 'S4UCacheTimeout', 'SpnCacheTimeout') { Set-RegistryValue $parameters $each 'DWord' 0 }
if ((Get-Field (Get-Machine $Document) 'role') -eq 'domain-controller') {
    # Unknown names, PKINIT, all KDC errors, refused S4U2Self, encryption types and bad options.
    Set-RegistryValue 'HKLM:\SYSTEM\CurrentControlSet\Services\Kdc' 'KdcExtraLogLevel' 'DWord' 0x1f
}
Step-Answer
