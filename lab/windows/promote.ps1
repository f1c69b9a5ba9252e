#Requires -Version 5.1
# Makes the machine the first domain controller of the lab's forest.
[CmdletBinding()]
param([string]$InputPath, [object]$Document)
. "$PSScriptRoot\common.ps1"
$Document = Read-Document $InputPath $Document
$topology = Get-Field $Document 'topology'
$dns = Get-Field $topology 'dns'
$system = Get-CimInstance -ClassName Win32_ComputerSystem

function Test-Directory {
    # Whether this domain controller's services run, its directory answers, and it has the domain's zone.
    param([string]$Name)
    if (@(Get-Service -Name NTDS, ADWS, DNS | Where-Object { "$($_.Status)" -ne 'Running' }).Count) { return $false }
    try {
        $null = Get-ADUser -Filter "SamAccountName -eq 'Administrator'"
        $null = Get-DnsServerZone -Name $Name
        $true
    }
    catch { $false }
}

# 4 and 5 are domain controllers (DomainRole of Win32_ComputerSystem).
if ($system.DomainRole -ge 4) {
    if ($system.Domain -ne $dns) { throw "this machine is a domain controller of $($system.Domain), not of $dns" }
    # A run that was cut off while it set the DNS server up has left that standing still.
    Start-Stopped DNS
    # After its first start as one a domain controller has minutes until its directory and its zone answer.
    Wait-Until "the directory of $dns" 1200 5 { Test-Directory $dns }
    return Step-Answer
}

function Start-Netlogon {
    # Promotion leaves it standing still, and without it nobody who comes by name and password is let in: the caller, who is to
    # restart the machine, among them.
    try { Start-Stopped Netlogon }
    catch { [Console]::Error.WriteLine("Netlogon does not run: $_") }
}

# Promoted, and not restarted yet.
if ((Get-RegistryValue 'HKLM:\SYSTEM\CurrentControlSet\Control\ProductOptions' 'ProductType') -eq 'LanmanNT') {
    Start-Netlogon
    return Step-Answer -Needs 'restart'
}
if (Add-Feature @('AD-Domain-Services', 'DNS')) { return Step-Answer -Needs 'restart' }

# The local administrator becomes the domain's, and keeps the password; guests stay longer than a password of the domain's counts.
$administrator = Get-LocalUser | Where-Object { "$($_.SID)" -like '*-500' }
Set-LocalUser -SID $administrator.SID -Password (Get-Secret $Document 'administrator') -PasswordNeverExpires $true
Enable-LocalUser -SID $administrator.SID
try {
    $null = Install-ADDSForest -DomainName $dns -DomainNetbiosName (Get-Field $topology 'domain') `
        -ForestMode WinThreshold -DomainMode WinThreshold -InstallDns `
        -SafeModeAdministratorPassword (Get-Secret $Document 'dsrm') -NoRebootOnCompletion -Force
}
finally { Start-Netlogon }
Add-Change "forest: $dns"
Step-Answer -Needs 'restart'
