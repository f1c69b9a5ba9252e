#Requires -Version 5.1
# Puts the lab's sites into the intranet zone, and lets browsers sign in to them and delegate.
[CmdletBinding()]
param([string]$InputPath, [object]$Document)
. "$PSScriptRoot\common.ps1"
$Document = Read-Document $InputPath $Document
$sites = "*.$(Get-Field (Get-Field $Document 'topology') 'dns')"
$policies = 'HKLM:\SOFTWARE\Policies\Microsoft'

# Zone 1 is the intranet (policy "Site to Zone Assignment List").
$internet = "$policies\Windows\CurrentVersion\Internet Settings"
Set-RegistryValue $internet 'ListBox_Support_ZoneMapKey' 'DWord' 1
Set-RegistryValue "$internet\ZoneMapKey" $sites 'String' '1'

foreach ($browser in "$policies\Edge", 'HKLM:\SOFTWARE\Policies\Google\Chrome') {
    Set-RegistryValue $browser 'AuthServerAllowlist' 'String' $sites
    Set-RegistryValue $browser 'AuthNegotiateDelegateAllowlist' 'String' $sites
}
Step-Answer
