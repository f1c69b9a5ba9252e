#Requires -Version 5.1
# Opens the ports that the machine's role serves.
[CmdletBinding()]
param([string]$InputPath, [object]$Document)
. "$PSScriptRoot\common.ps1"
$Document = Read-Document $InputPath $Document
switch (Get-Field (Get-Machine $Document) 'role') {
    'front-end' { Open-Port 'doublehop-web' @(Get-Field (Get-Field (Get-Field $Document 'topology') 'windows') 'web_ports') }
    'back-end' { Open-Port 'doublehop-sql' @('1433') }
}
Step-Answer
