#Requires -Version 5.1
# Collects what Windows logged since a moment, as one JSON document; changes nothing but flushing the web server's log.
[CmdletBinding()]
param([string]$InputPath, [object]$Document)
. "$PSScriptRoot\common.ps1"
$Document = Read-Document $InputPath $Document

$since = [datetime]::Parse((Get-Field $Document 'since'), [Globalization.CultureInfo]::InvariantCulture, 'AdjustToUniversal, AssumeUniversal')
$role = Get-Field $Document 'role'
$logs = 'C:\inetpub\logs'
# What is told in whole seconds may be of any moment in its second, which has ten million ticks.
$second = $since.AddTicks(-($since.Ticks % 10000000))

function Get-Events {
    # Events of one log, oldest first, each with its data by name.
    param([hashtable]$Filter)
    $Filter.StartTime = $since.ToLocalTime()
    try { $found = @(Get-WinEvent -FilterHashtable $Filter -Oldest) }
    catch {
        # Nothing logged is an answer; so is a provider that this machine has not, or not for this log.
        if ("$($_.FullyQualifiedErrorId)" -match '^(NoMatchingEventsFound|NoMatchingProvidersFound|LogsAndProvidersDontOverlap)') { return }
        throw
    }
    foreach ($each in $found) {
        $data = [ordered]@{}
        $at = 0
        foreach ($one in @(([xml]$each.ToXml()).GetElementsByTagName('Data'))) {
            $name = $one.GetAttribute('Name')
            if (-not $name) { $name = "$at" }
            $data[$name] = $one.InnerText
            $at++
        }
        # Of these two providers Windows' own sentence says most; the Security log's are pages long.
        $message = if ($each.LogName -eq 'System') { "$($each.Message)" } else { '' }
        [pscustomobject]@{
            log = $each.LogName; id = $each.Id; provider = $each.ProviderName
            time = $each.TimeCreated.ToUniversalTime().ToString('yyyy-MM-ddTHH:mm:ss.fffZ'); data = $data; message = $message
        }
    }
}

function Get-Requests {
    # Lines of IIS's logs by their own field names, which every file says at its beginning; times there are UTC.
    $null = Invoke-Program 'netsh.exe' @('http', 'flush', 'logbuffer')
    if (-not (Test-Path -LiteralPath "$logs\LogFiles")) { return }
    foreach ($file in @(Get-ChildItem -LiteralPath "$logs\LogFiles" -Filter '*.log' -File -Recurse)) {
        $fields = @()
        foreach ($line in @(Get-Content -LiteralPath $file.FullName)) {
            if ($line -like '#Fields:*') { $fields = @($line.Substring(8).Trim() -split ' ') }
            if ($line -like '#*' -or -not $line) { continue }
            $values = $line -split ' '
            $request = [ordered]@{}
            for ($at = 0; $at -lt $fields.Count -and $at -lt $values.Count; $at++) { $request[$fields[$at]] = $values[$at] }
            $time = [datetime]::Parse("$($request['date'])T$($request['time'])Z", [Globalization.CultureInfo]::InvariantCulture, 'AdjustToUniversal')
            if ($time -ge $second) { [pscustomobject]$request }
        }
    }
}

function Get-Said {
    # What an event of a trace says of an error or of how somebody proved who he is, in one line; most say neither.
    param([System.Xml.XmlElement]$Entry)
    $data = [ordered]@{}
    foreach ($one in $Entry.GetElementsByTagName('Data')) { $data[$one.GetAttribute('Name')] = $one.InnerText }
    if (-not $data.Contains('ErrorCode') -and -not $data.Contains('AuthType')) { return }
    # IIS writes the number as data, and what it means beside it.
    foreach ($one in $Entry.GetElementsByTagName('freb:Description')) {
        if ($one.GetAttribute('Data') -eq 'ErrorCode') { $data['ErrorDescription'] = ($one.InnerText -replace '\s+', ' ').Trim() }
    }
    $told = foreach ($name in 'ModuleName', 'HttpStatus', 'HttpSubStatus', 'ErrorCode', 'ErrorDescription', 'AuthType', 'NTLMUsed', 'RemoteUserName', 'TokenImpersonationLevel') {
        if ($data.Contains($name)) { "$name=$($data[$name])" }
    }
    $told -join ', '
}

function Get-Traces {
    # Failed request traces: who was refused, with which status, and what the modules said on the way.
    if (-not (Test-Path -LiteralPath "$logs\FailedReqLogFiles")) { return }
    foreach ($file in @(Get-ChildItem -LiteralPath "$logs\FailedReqLogFiles" -Filter 'fr*.xml' -File -Recurse)) {
        if ($file.LastWriteTime.ToUniversalTime() -lt $since) { continue }
        $request = ([xml](Get-Content -LiteralPath $file.FullName -Raw -Encoding UTF8)).DocumentElement
        $trace = [ordered]@{}
        foreach ($each in 'url', 'siteId', 'appPoolId', 'authenticationType', 'userName', 'statusCode', 'triggerStatusCode', 'failureReason') {
            $trace[$each] = $request.GetAttribute($each)
        }
        $trace['time'] = $file.LastWriteTime.ToUniversalTime().ToString('yyyy-MM-ddTHH:mm:ss.fffZ')
        $trace['said'] = @(foreach ($one in $request.GetElementsByTagName('Event')) { Get-Said $one })
        [pscustomobject]$trace
    }
}

function Get-Tickets {
    # The tickets of the machine's own logon, of its network service's, and of every service's or pool's that runs.
    $logons = [ordered]@{ '0:0x3e7' = 1; '0:0x3e4' = 1 }
    foreach ($line in @(Invoke-Program 'klist.exe' @('sessions') -Expected @(0, 1))) {
        if ($line -match '^\[\d+\] Session \d+ (\S+) .*:(Service|Batch)\s*$') { $logons[$Matches[1]] = 1 }
    }
    foreach ($each in $logons.Keys) {
        $high, $low = $each -split ':'
        $half = if ($high -eq '0') { @() } else { @('-lh', $high) }
        Invoke-Program 'klist.exe' @($half + @('-li', $low, 'tickets')) -Expected @(0, 1)
    }
}

function Get-Connections {
    # Who has connected to SQL Server since then, one JSON object a line. A database that does not answer is evidence too.
    $arguments = @('-E', '-S', 'localhost', '-b', '-h', '-1', '-W', '-w', '65535', '-i', "$PSScriptRoot\connections.sql")
    try { $lines = @(Invoke-Program 'sqlcmd.exe' $arguments) }
    catch { return [pscustomobject]@{ failed = "$_" } }
    foreach ($line in $lines) {
        if (-not "$line".Trim()) { continue }
        $each = ConvertFrom-Json -InputObject $line
        # Which engine it is decides whether a time has been made of the text already.
        $time = $each.connect_time
        if ($time -isnot [datetime]) { $time = [datetime]::Parse($time, [Globalization.CultureInfo]::InvariantCulture, 'AdjustToUniversal, AssumeUniversal') }
        $time = $time.ToUniversalTime()
        if ($time -lt $since) { continue }
        $each.connect_time = $time.ToString('yyyy-MM-ddTHH:mm:ss.fffZ')
        $each
    }
}

$security = @{
    'domain-controller' = 4768, 4769, 4770, 4771, 4776; 'front-end' = 4624, 4625, 4648; 'back-end' = 4624, 4625; 'client' = 4624, 4625, 4648
}
$kerberos = 'Microsoft-Windows-Security-Kerberos', 'Microsoft-Windows-Kerberos-Key-Distribution-Center'
$events = @(Get-Events @{ LogName = 'Security'; Id = $security[$role] })
foreach ($each in $kerberos) { $events += @(Get-Events @{ LogName = 'System'; ProviderName = $each }) }
Write-Document ([ordered]@{
        events = $events
        requests = @(if ($role -eq 'front-end') { Get-Requests })
        traces = @(if ($role -eq 'front-end') { Get-Traces })
        tickets = @(Get-Tickets)
        connections = @(if ($role -eq 'back-end') { Get-Connections })
    })
