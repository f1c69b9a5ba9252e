#Requires -Version 5.1
# Gives the domain a root key for managed passwords, without which it hands out no gMSA's.
[CmdletBinding()]
param([string]$InputPath, [object]$Document)
. "$PSScriptRoot\common.ps1"
$Document = Read-Document $InputPath $Document
# A key counts ten hours after it takes effect, so that every domain controller has it; this domain has only one.
if (-not @(Get-KdsRootKey).Count) {
    $null = Add-KdsRootKey -EffectiveTime ((Get-Date).AddHours(-10))
    Add-Change 'KDS root key'
}
Step-Answer
