#Requires -Version 5.1
# Opens the ports that the machine's role serves.
[CmdletBinding()]
param([string]$InputPath, [object]$Document)
. "$PSScriptRoot\common.ps1"
$Document = Read-Document $InputPath $Document
switch (Get-Field (Get-Machine $Document) 'role') {
    'front-end' { Open-Port 'doublehop-web' @('80', '443', '8000-8999') }
    'back-end' { Open-Port 'doublehop-sql' @('1433') }
}
Step-Answer
