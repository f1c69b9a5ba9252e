#Requires -Version 5.1
# Gives the machine a SID of its own, where its disk is a copy of the domain controller's and has that one's.
[CmdletBinding()]
param([string]$InputPath, [object]$Document)
. "$PSScriptRoot\common.ps1"
$Document = Read-Document $InputPath $Document
$answers = 'C:\doublehop\unattend.xml'
$state = 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Setup\State'
$generalized = 'IMAGE_STATE_GENERALIZE_RESEAL_TO_OOBE'

# A domain has the SID that its first controller had as a machine, and takes no member with the same (error 8644).
$own = "$((Get-LocalUser | Where-Object { "$($_.SID)" -like '*-500' }).SID)" -replace '-500$', ''
if ((Get-CimInstance -ClassName Win32_ComputerSystem).PartOfDomain -or $own -ne (Get-Field $Document 'domain_sid' '')) {
    if (Test-Path -LiteralPath $answers) { Remove-Item -LiteralPath $answers }
    return Step-Answer
}
if ((Get-RegistryValue $state 'ImageState') -eq $generalized) { return Step-Answer -Needs 'restart' }

# Windows asks for a password of the administrator's then. Nobody has to know it: the lab's own is set where one is wanted.
$password = "$([guid]::NewGuid())aA1!"
$component = 'processorArchitecture="amd64" publicKeyToken="31bf3856ad364e35" language="neutral" versionScope="nonSxS"'
Set-TextFile $answers @"
<?xml version="1.0" encoding="utf-8"?>
<unattend xmlns="urn:schemas-microsoft-com:unattend">
  <settings pass="generalize">
    <component name="Microsoft-Windows-PnpSysprep" $component>
      <PersistAllDeviceInstalls>true</PersistAllDeviceInstalls>
    </component>
    <component name="Microsoft-Windows-Security-SPP" $component>
      <SkipRearm>1</SkipRearm>
    </component>
  </settings>
  <settings pass="specialize">
    <component name="Microsoft-Windows-Shell-Setup" $component>
      <ComputerName>$(Get-Field (Get-Machine $Document) 'name')</ComputerName>
    </component>
  </settings>
  <settings pass="oobeSystem">
    <component name="Microsoft-Windows-International-Core" $component>
      <InputLocale>en-US</InputLocale>
      <SystemLocale>en-US</SystemLocale>
      <UILanguage>en-US</UILanguage>
      <UserLocale>en-US</UserLocale>
    </component>
    <component name="Microsoft-Windows-Shell-Setup" $component>
      <OOBE>
        <HideEULAPage>true</HideEULAPage>
        <HideLocalAccountScreen>true</HideLocalAccountScreen>
        <HideOEMRegistrationScreen>true</HideOEMRegistrationScreen>
        <HideOnlineAccountScreens>true</HideOnlineAccountScreens>
        <HideWirelessSetupInOOBE>true</HideWirelessSetupInOOBE>
        <ProtectYourPC>3</ProtectYourPC>
      </OOBE>
      <UserAccounts>
        <AdministratorPassword>
          <Value>$password</Value>
          <PlainText>true</PlainText>
        </AdministratorPassword>
      </UserAccounts>
      <AutoLogon>
        <Username>Administrator</Username>
        <Password>
          <Value>$password</Value>
          <PlainText>true</PlainText>
        </Password>
        <Enabled>true</Enabled>
        <LogonCount>1</LogonCount>
      </AutoLogon>
    </component>
  </settings>
</unattend>
"@
$null = Invoke-Program 'C:\Windows\System32\Sysprep\sysprep.exe' @('/generalize', '/oobe', '/quiet', '/quit', "/unattend:$answers")
if ((Get-RegistryValue $state 'ImageState') -ne $generalized) {
    throw 'Windows would not generalize this machine: C:\Windows\System32\Sysprep\Panther\setuperr.log says why'
}
Add-Change "generalized: another SID than the domain's $own"
Step-Answer -Needs 'restart'
