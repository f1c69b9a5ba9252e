#Requires -Version 5.1
# Makes a request with a logon of the user's own, as somebody who sits at this client.
[CmdletBinding()]
param([string]$InputPath, [object]$Document)
. "$PSScriptRoot\common.ps1"
$Document = Read-Document $InputPath $Document
$user = Get-Field $Document 'user'
$account = Get-Field $user 'account'
$name = "doublehop-$($account -replace '[^A-Za-z0-9]', '-')"
$folder = 'C:\ProgramData\doublehop'
$ask = "$folder\$name.json"
$answer = "$folder\$name.answer.json"

# A task has a logon of its own with the user's password, and so tickets that a page may pass on; a WinRM shell has neither.
if (-not (Test-Path -LiteralPath $folder)) { $null = New-Item -Path $folder -ItemType Directory -Force }
foreach ($each in $ask, $answer) { if (Test-Path -LiteralPath $each) { Remove-Item -LiteralPath $each } }
Set-Content -LiteralPath $ask -Value (ConvertTo-Json -InputObject (Get-Field $Document 'probe') -Depth 10) -Encoding UTF8
# The user's own task writes the answer beside the question.
$null = Invoke-Program 'icacls.exe' @($folder, '/grant', "${account}:(OI)(CI)M")

try {
    $action = New-ScheduledTaskAction -Execute 'powershell.exe' -Argument `
        "-NoProfile -NonInteractive -ExecutionPolicy Bypass -File `"$PSScriptRoot\probe.ps1`" -InputPath `"$ask`" -OutputPath `"$answer`""
    # A virtual machine may think that it is on a battery, as its host is.
    $settings = New-ScheduledTaskSettingsSet -AllowStartIfOnBatteries -DontStopIfGoingOnBatteries
    $null = Register-ScheduledTask -TaskName $name -Action $action -Settings $settings -User $account -Password (Get-Field $user 'password') -Force
    Start-ScheduledTask -TaskName $name
    for ($left = 300; "$((Get-ScheduledTask -TaskName $name).State)" -ne 'Ready' -or -not (Test-Path -LiteralPath $answer); $left--) {
        if (-not $left) { throw "the request of $account did not end: task result $((Get-ScheduledTaskInfo -TaskName $name).LastTaskResult)" }
        Start-Sleep -Milliseconds 200
    }
    $told = Get-Content -LiteralPath $answer -Raw -Encoding UTF8
}
finally {
    Remove-Task $name
    foreach ($each in $ask, $answer) { if (Test-Path -LiteralPath $each) { Remove-Item -LiteralPath $each } }
    $null = Invoke-Program 'icacls.exe' @($folder, '/remove:g', $account)
}
$told = ConvertFrom-Json -InputObject $told
$failed = Get-Field $told 'failed' ''
if ($failed) { throw "the request of ${account}: $failed" }
Write-Document $told
