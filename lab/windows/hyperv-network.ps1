#Requires -Version 5.1
# On a Hyper-V host: gives a virtual machine an adapter on the lab's own switch, which Vagrant does not.
# Vagrant moves every adapter to the outside each time that it starts the machine (Set-VagrantVMSwitch); this one has a name.
[CmdletBinding()]
param([string]$InputPath, [object]$Document)
. "$PSScriptRoot\common.ps1"
$Document = Read-Document $InputPath $Document
$switch = Get-Field $Document 'switch'
$vm = Get-VM -Id (Get-Field $Document 'vm')

if (-not @(Get-VMSwitch -SwitchType Private | Where-Object { $_.Name -eq $switch }).Count) {
    $null = New-VMSwitch -Name $switch -SwitchType Private
    Add-Change "switch: $switch"
}
$own = @(Get-VMNetworkAdapter -VM $vm | Where-Object { $_.Name -eq $switch })
if ($own.Count) {
    if ($own[0].SwitchName -ne $switch) {
        Connect-VMNetworkAdapter -VMNetworkAdapter $own[0] -SwitchName $switch
        Add-Change "adapter of $($vm.Name) on $switch again"
    }
    return Step-Answer
}
if ($vm.Generation -eq 1 -and "$($vm.State)" -ne 'Off') {
    throw "$($vm.Name) is of generation 1, which takes no adapter while it runs: say ``vagrant halt`` and begin again"
}
Add-VMNetworkAdapter -VM $vm -Name $switch -SwitchName $switch
Add-Change "adapter of $($vm.Name) on $switch"
Step-Answer
