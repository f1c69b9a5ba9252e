#Requires -Version 5.1
# Makes the account that SQL Server runs as, with the names it is found by.
[CmdletBinding()]
param([string]$InputPath, [object]$Document)
. "$PSScriptRoot\common.ps1"
$Document = Read-Document $InputPath $Document
$topology = Get-Field $Document 'topology'
$name = Get-Field (Get-Field $topology 'windows') 'sql_account'
$wanted = @(Get-Field (Get-MachineOfRole $Document 'back-end') 'spns')

$account = Get-ADUser -Filter "SamAccountName -eq '$name'" -Properties ServicePrincipalNames
if ($null -eq $account) {
    New-ADUser -Name $name -SamAccountName $name -AccountPassword (Get-Secret $Document 'sql_service') `
        -Enabled $true -PasswordNeverExpires $true -KerberosEncryptionType AES128, AES256
    Add-Change "account: $name"
    $has = @()
}
else { $has = @($account.ServicePrincipalNames) }
$missing = @($wanted | Where-Object { $has -notcontains $_ })
if ($missing.Count) {
    Set-ADUser -Identity $name -ServicePrincipalNames @{ Add = [string[]]$missing }
    Add-Change "names of ${name}: $($missing -join ', ')"
}
Step-Answer
