#Requires -Version 5.1
# Collects what Windows logged since a moment, as one JSON document; changes nothing but flushing the web server's log.
[CmdletBinding()]
param([string]$InputPath, [object]$Document)
. "$PSScriptRoot\common.ps1"
$Document = Read-Document $InputPath $Document

$since = [datetime]::Parse((Get-Field $Document 'since'), [Globalization.CultureInfo]::InvariantCulture, 'AdjustToUniversal, AssumeUniversal')
$role = Get-Field $Document 'role'
$logs = 'C:\inetpub\logs'

function Get-Events {
    # Events of one log, oldest first, each with its data by name.
    param([hashtable]$Filter)
    $Filter.StartTime = $since.ToLocalTime()
    try { $found = @(Get-WinEvent -FilterHashtable $Filter -Oldest) }
    catch {
        # Nothing logged is an answer; so is a provider that this machine has not.
        if ("$($_.FullyQualifiedErrorId)" -match '^(NoMatchingEventsFound|NoMatchingProvidersFound)') { return }
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
        [pscustomobject]@{
            log = $each.LogName; id = $each.Id; provider = $each.ProviderName
            time = $each.TimeCreated.ToUniversalTime().ToString('yyyy-MM-ddTHH:mm:ss.fffZ'); data = $data
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
            if ($time -ge $since.AddSeconds(-1)) { [pscustomobject]$request }
        }
    }
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
        $said = foreach ($one in $request.GetElementsByTagName('Data')) {
            if ($one.GetAttribute('Name') -match '^(ErrorCode|ErrorDescription|ModuleName|HttpStatus|HttpSubStatus|AuthType|RemoteUserName)$') {
                "$($one.GetAttribute('Name'))=$($one.InnerText)"
            }
        }
        $trace['said'] = @($said)
        [pscustomobject]$trace
    }
}

function Get-Connections {
    # Who is connected to SQL Server, one JSON object a line.
    $arguments = @('-E', '-S', 'localhost', '-b', '-h', '-1', '-W', '-w', '65535', '-i', "$PSScriptRoot\connections.sql")
    foreach ($each in @(Invoke-Program 'sqlcmd.exe' $arguments)) { if ("$each".Trim()) { ConvertFrom-Json -InputObject $each } }
}

$security = @{
    'domain-controller' = 4768, 4769, 4770, 4771, 4776; 'front-end' = 4624, 4625, 4648; 'back-end' = 4624, 4625; 'client' = 4624, 4625, 4648
}
$kerberos = 'Microsoft-Windows-Security-Kerberos', 'Microsoft-Windows-Kerberos-Key-Distribution-Center'
$events = @(Get-Events @{ LogName = 'Security'; Id = $security[$role] })
foreach ($each in $kerberos) { $events += @(Get-Events @{ LogName = 'System'; ProviderName = $each }) }
# 0x3e7 is the machine's own logon, 0x3e4 that of its network service.
$tickets = @(foreach ($each in '0x3e7', '0x3e4') { Invoke-Program 'klist.exe' @('-li', $each, 'tickets') -Expected @(0, 1) })
Write-Document ([ordered]@{
        events = $events
        requests = @(if ($role -eq 'front-end') { Get-Requests })
        traces = @(if ($role -eq 'front-end') { Get-Traces })
        tickets = $tickets
        connections = @(if ($role -eq 'back-end') { Get-Connections })
    })
