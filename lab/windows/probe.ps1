#Requires -Version 5.1
# Asks for a page with the credentials of who runs it, and tells what a client sees of it; judges nothing.
[CmdletBinding()]
param([string]$InputPath, [string]$OutputPath, [object]$Document)
. "$PSScriptRoot\common.ps1"

$seconds = 30
$silent = 'intranet', 'trusted'
$keys = @{
    'AES-256-CTS-HMAC-SHA1-96' = 'AES256'; 'AES-128-CTS-HMAC-SHA1-96' = 'AES128'; 'RSADSI RC4-HMAC(NT)' = 'RC4'
}

function Get-Response {
    # One request; every status is an answer. Without a name in the DNS there is none at all.
    param([string]$Url, [object]$Credentials, [object]$Browser)
    $request = [System.Net.HttpWebRequest][System.Net.WebRequest]::Create($Url)
    $request.Timeout = $seconds * 1000
    $request.AllowAutoRedirect = $false
    $request.Proxy = $null
    if ($null -ne $Credentials) {
        $request.Credentials = $Credentials
        # One connection for all requests, as a browser's; IIS may keep who was signed in on it.
        $request.UnsafeAuthenticatedConnectionSharing = $true
        $request.ConnectionGroupName = 'probe'
        # What the user's token may be used for by the page; without it no TGT goes along.
        $level = if ($Browser.delegate) { 'Delegation' } else { 'Impersonation' }
        $request.ImpersonationLevel = [System.Security.Principal.TokenImpersonationLevel]$level
    }
    try { $response = [System.Net.HttpWebResponse]$request.GetResponse() }
    catch {
        $failure = $_.Exception
        while ($null -ne $failure -and $failure -isnot [System.Net.WebException]) { $failure = $failure.InnerException }
        if ($null -eq $failure) { throw }
        if ("$($failure.Status)" -eq 'NameResolutionFailure') { return $null }
        if ($null -eq $failure.Response) { throw $failure }
        $response = [System.Net.HttpWebResponse]$failure.Response
    }
    $reader = New-Object System.IO.StreamReader -ArgumentList $response.GetResponseStream()
    try {
        [pscustomobject]@{
            Status = [int]$response.StatusCode
            Offers = @("$($response.Headers['WWW-Authenticate'])" -split ',' | ForEach-Object { $_.Trim() } | Where-Object { $_ })
            Body = $reader.ReadToEnd()
            Mutual = [bool]$response.IsMutuallyAuthenticated
            Http = "$($response.ProtocolVersion)"
            Authorization = "$($request.Headers['Authorization'])"
        }
    }
    finally { $reader.Dispose(); $response.Dispose() }
}

function Get-Tickets {
    # The tickets of this logon, as klist shows them.
    $ticket = $null
    foreach ($line in @(Invoke-Program 'klist.exe' @('tickets') -Expected @(0, 1))) {
        if ($line -match '^#\d+>') {
            if ($null -ne $ticket) { [pscustomobject]$ticket }
            $ticket = @{ Server = ''; Flags = @(); Key = ''; Cache = '' }
        }
        if ($null -eq $ticket) { continue }
        if ($line -match 'Server:\s*(\S+)\s*@') { $ticket.Server = $Matches[1] }
        if ($line -match 'Ticket Flags\s+0x[0-9a-f]+\s*->\s*(.+?)\s*$') { $ticket.Flags = @($Matches[1] -split '\s+') }
        if ($line -match 'Session Key Type:\s*(.+?)\s*$') { $ticket.Key = $Matches[1] }
        if ($line -match 'Cache Flags:\s*(.+?)\s*$') { $ticket.Cache = $Matches[1] }
    }
    if ($null -ne $ticket) { [pscustomobject]$ticket }
}

function Get-Refusal {
    # The name of the error that the KDC answered for this target, from the client's own log (LogLevel = 1).
    param([string]$Target, [datetime]$Since)
    $filter = @{ LogName = 'System'; ProviderName = 'Microsoft-Windows-Security-Kerberos'; Id = 3; StartTime = $Since }
    foreach ($each in @(Get-WinEvent -FilterHashtable $filter -ErrorAction SilentlyContinue)) {
        $data = @{}
        foreach ($one in @(([xml]$each.ToXml()).GetElementsByTagName('Data'))) { $data[$one.GetAttribute('Name')] = $one.InnerText }
        if ("$($data['ServerName']) $($data['TargetName'])" -like "*$Target*") { return "$($data['ErrorMessage'])" }
    }
    ''
}

function Get-Target {
    # The name that a ticket is asked for: the URL's host, or the one its alias leads to, with the port where wanted.
    param([uri]$Url, [object]$Browser)
    $name = $Url.Host
    if ($Browser.canonicalise) {
        try { $name = [System.Net.Dns]::GetHostEntry($Url.Host).HostName } catch { $name = $Url.Host }
    }
    if ($Browser.port_in_spn -and -not $Url.IsDefaultPort) { $name = "${name}:$($Url.Port)" }
    "HTTP/$name"
}

function Get-Observation {
    # The fields of ClientSaw. A handshake is a request that carried a token, which the first one here does.
    param([object]$Document)
    $browser = Get-Field $Document 'profile'
    foreach ($each in 'program', 'http2', 'basic') {
        $asked = Get-Field $browser $each $false
        if ($asked -and "$asked" -ne 'browser') { throw "this probe cannot do what '$each' asks for" }
    }
    if (-not (Get-Field $browser 'ntlm' $true)) { throw 'Negotiate of Windows goes on with NTLM, unless that is denied in the whole domain' }
    if (-not (Get-Field $browser 'honour_ok_as_delegate' $true)) { throw 'Windows always honours ok-as-delegate' }
    if (-not (Get-Field $browser 'channel_binding' $true)) { throw 'Windows always sends channel bindings' }
    if (@(Get-Field $browser 'encryption_types' @()).Count) { throw 'encryption types are a policy of the whole machine' }

    $url = Get-Field $Document 'url'
    $started = (Get-Date).AddSeconds(-1)
    $saw = [ordered]@{
        spn = ''; error = ''; status = 0; offers = @(); delegated = $false; handshakes = 0; mutual = $false; http = ''
        body = ''; token = ''; token_size = 0; session_key = ''; ticket_flags = @(); unasked = ''
    }
    $bare = Get-Response $url
    if ($null -eq $bare) {
        $saw.unasked = 'NAME_NOT_RESOLVED'
        return $saw
    }
    $last = $bare
    if ($bare.Status -eq 401) { $saw.offers = @($bare.Offers) }
    if ($bare.Status -eq 401 -and $silent -contains $browser.zone -and $browser.integrated) {
        $target = Get-Target $url $browser
        [System.Net.AuthenticationManager]::CustomTargetNameDictionary[$url] = $target
        $own = [System.Net.CredentialCache]::DefaultNetworkCredentials
        $credentials = New-Object System.Net.CredentialCache
        foreach ($scheme in 'Negotiate', 'NTLM') { $credentials.Add([uri]$url, $scheme, $own) }
        for ($at = 0; $at -lt (Get-Field $Document 'times' 1); $at++) {
            $last = Get-Response $url $credentials $browser
            if ($at -and -not $last.Authorization) { continue }
            $saw.handshakes++
            $token = ($last.Authorization -split ' ', 2)[-1]
        }

        $tickets = @(Get-Tickets)
        $ticket = @($tickets | Where-Object { $_.Server -eq $target })
        $saw.error = Get-Refusal $target $started
        if ($ticket.Count -or $saw.error) { $saw.spn = $target }
        if ($ticket.Count) {
            $saw.session_key = if ($keys.ContainsKey($ticket[0].Key)) { $keys[$ticket[0].Key] } else { $ticket[0].Key }
            $saw.ticket_flags = @('forwardable', 'ok_as_delegate' | Where-Object { $ticket[0].Flags -contains $_ })
        }
        $saw.delegated = [bool]@($tickets | Where-Object { $_.Cache -like '*DELEGATION*' }).Count
        $saw.mutual = $last.Mutual
        $saw.token = $token.Substring(0, [Math]::Min(4, $token.Length))
        $saw.token_size = $token.Length
    }
    $saw.status = $last.Status
    $saw.http = $last.Http
    $saw.body = $last.Body
    $saw
}

$Document = Read-Document $InputPath $Document
if (-not $OutputPath) { return Write-Document (Get-Observation $Document) }
# A task has no output of its own: it says in the file what it saw, or why it saw nothing.
try { $answer = Get-Observation $Document } catch { $answer = @{ failed = "$_ $($_.InvocationInfo.PositionMessage)" } }
Set-Content -LiteralPath $OutputPath -Value (Write-Document $answer) -Encoding UTF8
