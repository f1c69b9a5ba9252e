#Requires -Version 5.1
# Gives the machine the name it has in the topology.
[CmdletBinding()]
param([string]$InputPath, [object]$Document)
. "$PSScriptRoot\common.ps1"
$Document = Read-Document $InputPath $Document
$name = Get-Field (Get-Machine $Document) 'name'

if ((Get-CimInstance -ClassName Win32_ComputerSystem).Name -eq $name) { return Step-Answer }

# What the machine will be called after its next start.
$next = Get-RegistryValue 'HKLM:\SYSTEM\CurrentControlSet\Control\ComputerName\ComputerName' 'ComputerName'
if ($next -ne $name) {
    Rename-Computer -NewName $name -Force
    Add-Change "name: $name"
}
Step-Answer -Needs 'restart'
