#Requires -Version 5.1
# Turns Credential Guard on or off; without a word about it off, because Windows 11 and Server 2025 turn it on by themselves.
[CmdletBinding()]
param([string]$InputPath, [object]$Document)
. "$PSScriptRoot\common.ps1"
$Document = Read-Document $InputPath $Document

$on = [bool](Get-Field $Document 'credential_guard' $false)
$lsa = 'HKLM:\SYSTEM\CurrentControlSet\Control\Lsa'
$guard = 'HKLM:\SYSTEM\CurrentControlSet\Control\DeviceGuard'

# 2 is on without a lock in the firmware, which nothing but a visit to the machine could open again; 0 is off for good.
Set-RegistryValue $lsa 'LsaCfgFlags' 'DWord' $(if ($on) { 2 } else { 0 })
if ($on) {
    Set-RegistryValue $guard 'EnableVirtualizationBasedSecurity' 'DWord' 1
    Set-RegistryValue $guard 'RequirePlatformSecurityFeatures' 'DWord' 1
}
# What runs is what the last start made of that: 1 is Credential Guard.
$running = @((Get-CimInstance -Namespace 'root\Microsoft\Windows\DeviceGuard' -ClassName Win32_DeviceGuard).SecurityServicesRunning)
if (($running -contains 1) -ne $on) { return Step-Answer -Needs 'restart' }
Step-Answer
