#Requires -Version 5.1
# Starts the machine anew in a few seconds, so that whoever asked for it still gets the answer.
[CmdletBinding()]
param([string]$InputPath, [object]$Document)
. "$PSScriptRoot\common.ps1"
$null = Read-Document $InputPath $Document
$null = Invoke-Program 'shutdown.exe' @('/r', '/t', '5', '/f', '/d', 'p:4:1')
Add-Change 'restarts'
Step-Answer
