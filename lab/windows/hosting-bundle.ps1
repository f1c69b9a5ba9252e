#Requires -Version 5.1
# Installs the module that runs ASP.NET Core in IIS, with its runtime.
[CmdletBinding()]
param([string]$InputPath, [object]$Document)
. "$PSScriptRoot\common.ps1"
$Document = Read-Document $InputPath $Document
$windows = Get-Field (Get-Field $Document 'topology') 'windows'
$installer = 'C:\doublehop\dotnet-hosting.exe'
if (Test-Path -LiteralPath 'C:\Program Files\IIS\Asp.Net Core Module\V2\aspnetcorev2.dll') { return Step-Answer }
Save-Program (Get-Field $windows 'hosting_bundle') $installer
$restart = Install-Program $installer @('/install', '/quiet', '/norestart')
Add-Change 'ASP.NET Core module'
if ($restart) { return Step-Answer -Needs 'restart' }
Step-Answer
