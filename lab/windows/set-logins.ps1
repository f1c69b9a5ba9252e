#Requires -Version 5.1
# Lets accounts of the domain connect to the database, and others no longer.
[CmdletBinding()]
param([string]$InputPath, [object]$Document)
. "$PSScriptRoot\common.ps1"
$Document = Read-Document $InputPath $Document
function Invoke-Sql {
    # Run one of the files of T-SQL here against the default instance, as who runs this.
    param([string]$File, [string[]]$Variables)
    $arguments = @('-E', '-S', 'localhost', '-b', '-h', '-1', '-W', '-i', "$PSScriptRoot\$File")
    if ($Variables) { $arguments += @('-v') + $Variables }
    Invoke-Program 'sqlcmd.exe' $arguments
}

function Set-Login {
    # One account's login. Its name becomes part of T-SQL, so it may only look like one.
    param([string]$Account, [bool]$Wanted)
    if ($Account -notmatch '^[A-Za-z0-9.-]+\\[A-Za-z0-9 ._-]+\$?$') { throw "expected DOMAIN\name, not '$Account'" }
    if (($has -contains $Account) -eq $Wanted) { return }
    $word = if ($Wanted) { 'yes' } else { 'no' }
    $null = Invoke-Sql 'logins.sql' @("account=`"$Account`"", "wanted=$word")
    Add-Change "login of ${Account}: $word"
}

$has = @(Invoke-Sql 'list-logins.sql' | ForEach-Object { $_.Trim() } | Where-Object { $_ })
foreach ($each in @(Get-Field $Document 'add' @())) { Set-Login $each $true }
foreach ($each in @(Get-Field $Document 'remove' @())) { Set-Login $each $false }
Write-Document @{ changed = @($Changes) }
