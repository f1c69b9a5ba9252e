#Requires -Version 5.1
# Says the domain's SID, which no member may have for its own.
[CmdletBinding()]
param([string]$InputPath, [object]$Document)
. "$PSScriptRoot\common.ps1"
$administrator = Get-ADUser -Filter "SamAccountName -eq 'Administrator'"
Step-Answer -DomainSid ("$($administrator.SID)" -replace '-500$', '')
