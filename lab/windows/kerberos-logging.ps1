#Requires -Version 5.1
# Has Kerberos log every error, on the client's side and on the KDC's.
[CmdletBinding()]
param([string]$InputPath, [object]$Document)
. "$PSScriptRoot\common.ps1"
$Document = Read-Document $InputPath $Document
Set-RegistryValue 'HKLM:\SYSTEM\CurrentControlSet\Control\Lsa\Kerberos\Parameters' 'LogLevel' 'DWord' 1
if ((Get-Field (Get-Machine $Document) 'role') -eq 'domain-controller') {
    # Unknown names, PKINIT, all KDC errors, refused S4U2Self, encryption types and bad options.
    Set-RegistryValue 'HKLM:\SYSTEM\CurrentControlSet\Services\Kdc' 'KdcExtraLogLevel' 'DWord' 0x1f
}
Step-Answer
