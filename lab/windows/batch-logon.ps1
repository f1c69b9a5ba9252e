#Requires -Version 5.1
# Lets the domain's users run tasks on this client, so that requests can be made with a logon of theirs.
[CmdletBinding()]
param([string]$InputPath, [object]$Document)
. "$PSScriptRoot\common.ps1"
$Document = Read-Document $InputPath $Document
# Performance Log Users may log on as a batch job by default.
$group = 'S-1-5-32-559'
$users = "$(Get-Field (Get-Field $Document 'topology') 'domain')\Domain Users"
$members = @(Get-LocalGroupMember -SID $group | ForEach-Object { $_.Name })
if ($members -notcontains $users) {
    Add-LocalGroupMember -SID $group -Member $users
    Add-Change "tasks: $users"
}
Step-Answer
