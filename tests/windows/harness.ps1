# Runs scripts on model machines, as a plan says, in one engine; gives what each run said, recorded and left behind.
param([string]$Stubs, [string]$PlanPath, [string]$ResultPath, [string]$Scripts)
$ErrorActionPreference = 'Stop'
$PSModuleAutoLoadingPreference = 'None'  # nothing is looked for on this host
[Console]::SetError([IO.TextWriter]::Null)
$plan = ConvertFrom-Json ([IO.File]::ReadAllText($PlanPath))

function ConvertTo-Plain($Value) {
    # JSON's objects as tables, which the model is made of.
    if ($Value -is [Management.Automation.PSCustomObject]) {
        $table = @{}
        foreach ($each in $Value.PSObject.Properties) { $table[$each.Name] = ConvertTo-Plain $each.Value }
        return $table
    }
    if ($Value -is [Collections.IList]) { return , @(foreach ($each in $Value) { ConvertTo-Plain $each }) }
    $Value
}
$facts = ConvertTo-Plain $plan.facts
$programs = $facts.programs
# Programs are functions here; one that is called by its path is found nowhere, and that leads to the model too.
foreach ($name in $programs.Keys) {
    if ($name -notlike '*\*') { $null = New-Item -Path "function:global:$name" -Value ([scriptblock]::Create("Invoke-StubProgram '$name' `$args")) }
}
$ExecutionContext.InvokeCommand.CommandNotFoundAction = {
    param($name, $found)
    if ($programs.ContainsKey($name)) {
        $found.CommandScriptBlock = { Invoke-StubProgram $name $args }.GetNewClosure()
        $found.StopSearch = $true
    }
}
Import-Module $Stubs -DisableNameChecking
Set-Facts $facts
function Get-Text { ConvertTo-Json -InputObject (Get-State) -Depth 12 -Compress }

function Invoke-Script($Name, $Document) {
    # What a caller gets: the answer, or the error with script and line.
    try {
        $lines = @(& "$Scripts/$Name.ps1" -Document $Document)
        if ($lines.Count -ne 1) { return @{ error = "expected one line, not $($lines.Count): $($lines -join ' | ')" } }
        @{ answer = ConvertFrom-Json $lines[0] }
    }
    catch { @{ error = "$_"; where = "$($_.InvocationInfo.ScriptName):$($_.InvocationInfo.ScriptLineNumber)"; trace = $_.ScriptStackTrace } }
}

function Invoke-Provision($Document, $Certificates) {
    # As the caller does: again and again, doing what the machine needs in between.
    $rounds = @()
    $Document.certificates = [pscustomobject]@{}
    for ($round = 0; $round -lt 12; $round++) {
        $run = Invoke-Script 'provision' $Document
        if ($run.error) { return @{ rounds = $rounds; error = $run.error; where = $run.where; trace = $run.trace } }
        $rounds += @(@{ needs = $run.answer.needs; changed = @($run.answer.changed); request = $run.answer.request; domain_sid = $run.answer.domain_sid })
        switch ($run.answer.needs) {
            '' { return @{ rounds = $rounds } }
            'restart' { Restart-Machine }
            'certificate' { $Document.certificates = $Certificates }
            default { return @{ rounds = $rounds; error = "needs $_" } }
        }
    }
    @{ rounds = $rounds; error = 'never done' }
}

function Test-EveryStep($Kept, $Go, $End, $PowerLost) {
    # From what the machine was after each step: started anew where that is a machine's way, run again, ended the same?
    $failed = @()
    for ($k = 1; $k -le $Kept.Count; $k++) {
        Set-State $Kept[$k - 1]
        Clear-Log
        if ($PowerLost) { Restart-Machine }
        $run = & $Go
        if ($run.error) { $failed += "after step ${k}: $($run.error) $($run.where)" }
        elseif ((Get-Text) -cne $End) { $failed += @{ step = $k; state = Get-State } }
    }
    $failed
}

$results = [ordered]@{}
$states = @{}
foreach ($job in $plan.jobs) {
    $clock = [Diagnostics.Stopwatch]::StartNew()
    $result = [ordered]@{}
    $fresh = {
        if ($job.from) { Set-State $states[$job.from] } else { New-Machine (ConvertTo-Plain $job.world) }
        if ($job.change) { $m = Copy-State; foreach ($each in $job.change.PSObject.Properties) { $m[$each.Name] = ConvertTo-Plain $each.Value }; Set-State $m }
        if ($job.restart) { Restart-Machine }
        Set-Secrets $job.document
        Clear-Log
    }
    $go = {
        if ($job.script -eq 'provision' -and $job.certificates) { return Invoke-Provision $job.document $job.certificates }
        Invoke-Script $job.script $job.document
    }
    & $fresh
    $result.before = Get-State
    $before = Get-Text
    if ($job.loop) { Start-Keeping }
    $run = & $go
    $kept = Get-Kept
    foreach ($key in $run.Keys) { $result[$key] = $run[$key] }
    $result.log = Get-Log
    $result.steps = Get-Steps
    $result.state = Get-State
    $text = Get-Text
    $states[$job.name] = Copy-State
    if ($job.again) {
        Clear-Log
        $run = & $go
        $result.again = @{ steps = Get-Steps; error = $run.error; same = (Get-Text) -ceq $text }
    }
    if ($job.loop) {
        $ways = if ($job.loop -is [Collections.IList]) { $job.loop } elseif ($job.script -eq 'provision') { 'power lost' } else { 'cut off' }
        $result.loop = @{ steps = $result.steps; failed = @(foreach ($way in $ways) { Test-EveryStep $kept $go $text ($way -eq 'power lost') }) }
    }
    if ($job.undo) {
        $forward = $kept
        Set-State $states[$job.name]
        Clear-Log
        if ($job.loop) { Start-Keeping }
        $back = { Invoke-Script $job.script $job.undo }
        $run = & $back
        $kept = Get-Kept
        $undone = Get-Text
        $result.undo = @{ error = $run.error; same = $undone -ceq $before; steps = Get-Steps; left = $(if ($undone -cne $before) { $undone }) }
        if ($job.halfway) { $result.undo.halfway = @(Test-EveryStep $forward $back $before $false) }
        $result.undo.failed = @(if ($job.loop) { Test-EveryStep $kept $back $before $false })
    }
    $result.seconds = [Math]::Round($clock.Elapsed.TotalSeconds, 2)
    $results[$job.name] = $result
}
[IO.File]::WriteAllText($ResultPath, (ConvertTo-Json -InputObject $results -Depth 20 -Compress))
exit 0
