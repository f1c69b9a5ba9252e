# A small model of a Windows machine: what the scripts' cmdlets and programs read and change. It judges nothing.
# Every change is a step; what the machine is after each can be kept, as it is when a machine loses its power there.

$Host32 = 'C:\Windows\System32\inetsrv\config\applicationHost.config'
$Setup = 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Setup\State'
$Script:M = @{}
$Script:Log = New-Object System.Collections.ArrayList
$Script:Steps = 0
$Script:Kept = $null
$Script:Starting = 0
$Script:Queued = $false
$Script:Starts = 0
$Script:Facts = @{}
$Script:Schema = @{}
$Script:Programs = @{}
$Script:Secrets = @{}
# One key for every request: what is asked for makes two requests differ, not the numbers that were drawn for them.
$Script:Key = [Security.Cryptography.RSA]::Create(2048)

function New-Table { New-Object System.Collections.Hashtable ([StringComparer]::OrdinalIgnoreCase) }

function Copy-Deep($Value) {
    if ($Value -is [System.Collections.IDictionary]) {
        $copy = New-Table
        foreach ($key in @($Value.Keys)) { $copy[$key] = Copy-Deep $Value[$key] }
        return $copy
    }
    if ($Value -is [System.Collections.IList]) {
        $copy = New-Object System.Collections.ArrayList
        foreach ($each in $Value) { $null = $copy.Add((Copy-Deep $each)) }
        return , $copy
    }
    $Value
}

function ConvertTo-Sorted($Value) {
    if ($Value -is [System.Collections.IDictionary]) {
        $sorted = New-Object System.Collections.Specialized.OrderedDictionary
        foreach ($key in @($Value.Keys | Sort-Object)) { $sorted["$key"] = ConvertTo-Sorted $Value[$key] }
        return $sorted
    }
    if ($Value -is [System.Collections.IList]) { return , @(foreach ($each in $Value) { ConvertTo-Sorted $each }) }
    $Value
}

function Get-State { ConvertTo-Sorted $Script:M }
function Copy-State { Copy-Deep $Script:M }
function Set-State($State) { $Script:M = Copy-Deep $State }
function Get-Log { , @($Script:Log) }
function Clear-Log { $Script:Log.Clear(); $Script:Steps = 0; $Script:Kept = $null }
function Start-Keeping { $Script:Kept = New-Object System.Collections.ArrayList }
function Get-Kept { , $Script:Kept }
function Get-Steps { $Script:Steps }
function Set-Facts($Facts) { $Script:Facts = $Facts; $Script:Schema = $Facts.schema; $Script:Programs = $Facts.programs }

function Step {
    $Script:Steps++
    if ($Script:Log.Count) { $Script:Log[-1].changed = $true }
    if ($null -ne $Script:Kept) { $null = $Script:Kept.Add((Copy-Deep $Script:M)) }
}

function Get-Told($Bound) {
    $told = New-Object System.Collections.Specialized.OrderedDictionary
    foreach ($key in @($Bound.Keys | Sort-Object)) { $told[$key] = Get-Plain $Bound[$key] }
    $told
}

function Set-Secrets($Document) {
    # The secrets of a document by what they are, since a log tells them by their names in it.
    $Script:Secrets = @{}
    if ($null -eq $Document -or -not $Document.PSObject.Properties['secrets']) { return }
    foreach ($each in $Document.secrets.PSObject.Properties) { $Script:Secrets["$($each.Value)"] = $each.Name }
}

function Get-Label($Secret) {
    $text = (New-Object pscredential 'x', $Secret).GetNetworkCredential().Password
    if ($Script:Secrets.ContainsKey($text)) { "<$($Script:Secrets[$text])>" } else { '<a secret of nobody''s>' }
}

function Get-Plain($Value) {
    if ($null -eq $Value -or $Value -is [bool] -or $Value -is [string] -or $Value.GetType().IsPrimitive) { return $Value }
    if ($Value -is [System.Management.Automation.SwitchParameter]) { return [bool]$Value }
    if ($Value -is [securestring]) { return Get-Label $Value }
    if ($Value -is [pscredential]) { return "$($Value.UserName) with $(Get-Label $Value.Password)" }
    if ($Value -is [datetime]) { return "$([Math]::Round(($Value - (Get-Date)).TotalHours)) hours from now" }
    if ($Value -is [System.Collections.IDictionary]) {
        $told = New-Object System.Collections.Specialized.OrderedDictionary
        foreach ($key in @($Value.Keys | Sort-Object)) { $told["$key"] = Get-Plain $Value[$key] }
        return $told
    }
    if ($Value -is [System.Collections.IEnumerable]) { return , @(foreach ($each in $Value) { Get-Plain $each }) }
    "$Value"
}

function Invoke-Stub($Name, $Bound) {
    $null = $Script:Log.Add(@{ command = $Name; arguments = (Get-Told $Bound); changed = $false })
    if (-not $Does.ContainsKey($Name)) { throw "the model of a machine does not know $Name" }
    & $Does[$Name] $Bound
}

function Invoke-StubProgram($Name, $Arguments) {
    $null = $Script:Log.Add(@{ command = $Name; arguments = @($Arguments | ForEach-Object { "$_" }); changed = $false })
    $global:LASTEXITCODE = 0
    $list = @($Arguments | ForEach-Object { "$_" })
    $Script:Program = $Name
    Test-Line $Name $list
    & $Runs[$Script:Programs[$Name].runs] @list
}

function Test-Line($Name, $List) {
    # One of the program's command lines as they are published: every argument, in order.
    foreach ($line in $Script:Programs[$Name].lines) {
        if ($line.Count -ne $List.Count) { continue }
        if (-not @(for ($at = 0; $at -lt $line.Count; $at++) { if ($List[$at] -cnotmatch "^(?:$($line[$at]))\z") { $at } }).Count) { return }
    }
    throw "no command line of ${Name}'s in our facts: $($List -join ' ')"
}

function Read-Settings($Text, $Known) {
    # What a file of settings says, by section/key; nothing is in it that nobody published, and what has to be there is.
    $told = New-Table
    foreach ($line in @($Text -split "`r`n" | Where-Object { $_ -and $_ -notlike ';*' })) {
        if ($line -match '^\[(\w+)\]$') { $section = $Matches[1]; continue }
        $key, $value = @($line -split '=', 2 | ForEach-Object { $_.Trim() })
        $keys = $Known.sections[$section]
        if ($null -eq $keys -or -not $keys.ContainsKey($key)) { throw "[$section] has no '$key' in our facts" }
        if ($value -cnotmatch "^(?:$($keys[$key]))\z") { throw "[$section] $key is $($keys[$key]), not $value" }
        $told["$section/$key"] = $value.Trim('"')
    }
    foreach ($each in $Known.required) { if (-not $told.ContainsKey($each)) { throw "nothing says $each" } }
    $told
}

function New-Machine($World) {
    # A machine as its box brings it: a name of its own, in no domain, one adapter to the outside and one to the lab.
    $Script:Starts = 0
    $m = New-Table
    $m.computer = @{ name = 'WIN-BOX'; next = 'WIN-BOX'; domain = 'WORKGROUP'; member = $false; role = $World.role; guard = [bool]$World.guard }
    $m.registry = New-Table
    $m.files = New-Table
    $m.folders = New-Table
    $m.features = New-Table
    $m.services = New-Table
    $m.adapters = @{
        Ethernet = @{ address = '10.0.2.15'; length = 24; servers = @('10.0.2.3'); registers = $true }
        'Ethernet 2' = @{ address = $World.address; length = 24; servers = @(); registers = $true }
    }
    $m.certificates = @{ Root = (New-Table); My = (New-Table) }
    $m.firewall = New-Table
    $m.zones = New-Table
    $m.audit = New-Table
    $m.sslcert = New-Table
    $m.listeners = New-Table
    $m.groups = @{ 'S-1-5-32-559' = @() }
    $m.local = @{ Administrator = @{ sid = 'S-1-5-21-1-2-3-500'; enabled = $false; password = '' } }
    $m.accounts = New-Table
    $m.rootKeys = @()
    $m.sites = New-Table
    $m.backups = New-Table
    $m.sql = @{ account = ''; logins = @() }
    $m.tasks = New-Table
    $m.acl = New-Table
    $m.events = @()
    $m.world = @{ domain = $true; setup = $World.setup; pool = @{}; web = $World.web; refuses = $World.refuses; noForest = $World.noForest }
    $Script:M = $m
    Set-Value 'HKLM:\SYSTEM\CurrentControlSet\Control\ComputerName\ComputerName' 'ComputerName' 'String' 'WIN-BOX'
    Set-Value 'HKLM:\SYSTEM\CurrentControlSet\Control\ProductOptions' 'ProductType' 'String' 'ServerNT'
    Set-Value 'HKLM:\SYSTEM\CurrentControlSet\Services\Tcpip\Parameters' 'Domain' 'String' ''
    Set-Value 'HKLM:\SYSTEM\CurrentControlSet\Services\Tcpip\Parameters' 'NV Domain' 'String' ''
    Set-Value 'HKLM:\SYSTEM\CurrentControlSet\Services\HTTP\Parameters' 'DisableServerHeader' 'DWord' 0
    foreach ($each in $World.files.Keys) { Write-File $each $World.files[$each] }
    foreach ($each in @($World.events)) { $m.events += @($each) }
}

function Restart-Machine {
    $Script:Starts++
    # What a start changes: a new name counts, a promoted machine is a domain controller, a joined one a member.
    $c = $Script:M.computer
    $c.name = $c.next
    $tcpip = $Script:M.registry['HKLM:\SYSTEM\CurrentControlSet\Services\Tcpip\Parameters']
    if ($Script:M.registry['HKLM:\SYSTEM\CurrentControlSet\Control\ProductOptions'].ProductType.value -eq 'LanmanNT' -and $c.role -lt 4) {
        $c.role = 5; $c.member = $true; $c.domain = $tcpip.'NV Domain'.value
        foreach ($each in 'NTDS', 'ADWS', 'DNS', 'Netlogon') { $Script:M.services[$each] = @{ status = 'Running' } }
        # Each adapter registers, the one that nobody in the lab reaches too.
        $Script:M.zones[$c.domain] = New-Object System.Collections.ArrayList
        foreach ($name in $c.name, '@') { foreach ($each in @($Script:M.adapters.Keys | Sort-Object)) {
                $null = $Script:M.zones[$c.domain].Add(@{ name = $name; type = 'A'; data = $Script:M.adapters[$each].address }) } }
    }
    $tcpip.Domain.value = $tcpip.'NV Domain'.value
    # Services start by themselves. A domain controller's take a while: first they, then what they serve.
    foreach ($each in @($Script:M.services.Keys)) { if ($each -ne 'NTDS' -or $c.role -ge 4) { $Script:M.services[$each].status = 'Running' } }
    if ($c.role -ge 4) { $Script:Starting = 3 }
    # A generalized machine is made anew after its answer file: another SID, and nothing of what its adapters were told.
    $image = $Script:M.registry[$Setup].ImageState
    if ($image.value -eq 'IMAGE_STATE_GENERALIZE_RESEAL_TO_OOBE') {
        $image.value = 'IMAGE_STATE_COMPLETE'
        $c.name = $c.next = $Script:M.world.answered
        $Script:M.world.Remove('answered')
        $Script:M.local.Administrator.sid = 'S-1-5-21-4-5-6-500'
        foreach ($each in $Script:M.adapters.Values) { $each.servers = @() }
        $Script:M.adapters.'Ethernet 2'.address = '169.254.7.7'
    }
    # Windows 11 turns Credential Guard on by itself unless it is told not to; where it is told to, it wants what it runs in.
    $flags = $Script:M.registry['HKLM:\SYSTEM\CurrentControlSet\Control\Lsa']
    $inside = $Script:M.registry['HKLM:\SYSTEM\CurrentControlSet\Control\DeviceGuard']
    if ($null -ne $flags -and $flags.ContainsKey('LsaCfgFlags')) {
        $c.guard = $flags.LsaCfgFlags.value -in 1, 2 -and $null -ne $inside -and
            $inside.EnableVirtualizationBasedSecurity.value -eq 1 -and $inside.RequirePlatformSecurityFeatures.value -in 1, 3
    }
}

function Split-Key($Path) { $Path.TrimEnd('\') }
function Set-Value($Path, $Name, $Type, $Value) {
    $key = Split-Key $Path
    if (-not $Script:M.registry.ContainsKey($key)) { $Script:M.registry[$key] = New-Table }
    $Script:M.registry[$key][$Name] = @{ type = $Type; value = $Value }
}
function Write-File($Path, $Text) {
    $Script:M.files[$Path] = $Text
    $at = $Path.LastIndexOf('\')
    if ($at -gt 2) { Add-Folder $Path.Substring(0, $at) }
}
function Add-Folder($Path) {
    while ($Path.Length -gt 2) { $Script:M.folders[$Path] = $true; $at = $Path.LastIndexOf('\'); $Path = $Path.Substring(0, [Math]::Max($at, 0)) }
}
function Get-OnlyPath($b) {
    $path = @(@($b['LiteralPath']) + @($b['Path']) | Where-Object { $_ })
    if ($path.Count -ne 1) { throw 'the model takes one path at a time' }
    $path[0]
}
function Test-Switch($Name) {
    if (-not @($Script:M.world.switches | Where-Object { $_.name -eq $Name }).Count) { throw 'Hyper-V was unable to find a virtual switch' }
}
function Fail($Message, $Id = 'NotFound', $Bound) {
    # As cmdlets do: an error that -ErrorAction SilentlyContinue keeps quiet.
    if ("$($Bound['ErrorAction'])" -in 'SilentlyContinue', 'Ignore') { return }
    $PSCmdlet = $null
    throw (New-Object System.Management.Automation.ErrorRecord ((New-Object System.Exception $Message), $Id, 'ObjectNotFound', $null))
}

# --- IIS: applicationHost.config is the state, changed as the configuration reference describes it -----------------

$Start = @'
<configuration><system.applicationHost><applicationPools><add name="DefaultAppPool"><processModel /></add><applicationPoolDefaults managedRuntimeVersion="v4.0"><processModel identityType="ApplicationPoolIdentity" /></applicationPoolDefaults></applicationPools><sites><site name="Default Web Site" id="1"><application path="/" applicationPool="DefaultAppPool"><virtualDirectory path="/" physicalPath="%SystemDrive%\inetpub\wwwroot" /></application><bindings><binding protocol="http" bindingInformation="*:80:" /></bindings></site><siteDefaults><traceFailedRequestsLogging /></siteDefaults></sites></system.applicationHost><system.webServer><security><authentication><anonymousAuthentication enabled="true" userName="IUSR" /><basicAuthentication enabled="false" /><windowsAuthentication enabled="false"><providers><add value="Negotiate" /><add value="NTLM" /></providers></windowsAuthentication></authentication></security><tracing><traceFailedRequests /></tracing></system.webServer></configuration>
'@
$Collections = @{
    providers = 'value'; bindings = 'protocol', 'bindingInformation'; traceFailedRequests = 'path'; traceAreas = 'provider'
}

function Get-Configuration { [xml]$Script:M.files[$Host32] }
function Save-Configuration($Xml) { $Script:M.files[$Host32] = $Xml.OuterXml; Step }
function Get-Filter($b) { "$(@($b['Filter'])[0])".Trim('/') }
function Test-Place($b) {
    if (@($b['PSPath'])[0] -ne 'MACHINE/WEBROOT/APPHOST') { throw "the model knows MACHINE/WEBROOT/APPHOST, not '$($b['PSPath'])'" }
}
function Get-Root($Xml, $b, [switch]$Make) {
    Test-Place $b
    $location = @($b['Location'])[0]
    if (-not $location) { return $Xml.DocumentElement }
    $node = $Xml.DocumentElement.SelectSingleNode("location[@path='$location']")
    if ($null -eq $node -and $Make) {
        $node = $Xml.DocumentElement.AppendChild($Xml.CreateElement('location'))
        $node.SetAttribute('path', $location)
    }
    $node
}
function Get-Segments($Filter) { [regex]::Matches($Filter, "[^/\[\]]+(\[[^\]]*\])?") | ForEach-Object { $_.Value } }
function Find-Element($Node, $Filter, [switch]$Make) {
    # Elements are made when they are written to; an entry of a collection has to be there.
    foreach ($segment in @(Get-Segments $Filter)) {
        if ($null -eq $Node) { return $null }
        $child = $Node.SelectSingleNode($segment)
        if ($null -eq $child -and $Make) {
            if ($segment -like '*`[*') { throw "Target configuration object '$Filter' is not found" }
            $child = $Node.AppendChild($Node.OwnerDocument.CreateElement($segment))
        }
        $Node = $child
    }
    $Node
}
function Get-Kind($Filter) {
    # What the schema calls an element: its name, or for entries of a collection that of the collection with /add.
    $parts = @(Get-Segments $Filter | ForEach-Object { ($_ -split '\[')[0] })
    if ($parts[-1] -in 'add', 'siteDefaults' -and $parts.Count -gt 1) { return "$($parts[-2])/$($parts[-1])" }
    $parts[-1]
}
function Test-Attribute($Kind, $Name, $Value) {
    if (-not $Script:Schema.ContainsKey($Kind)) { throw "the configuration reference has no element '$Kind' in our data" }
    $known = $Script:Schema[$Kind]
    if (-not $known.ContainsKey($Name)) { throw "'$Kind' has no attribute '$Name'" }
    $text = if ($Value -is [bool]) { "$Value".ToLowerInvariant() } else { "$Value" }
    if ($known[$Name] -is [System.Collections.IList] -and $known[$Name] -cnotcontains $text) {
        # An attribute that takes several of its words has them with commas between.
        if (-not ($Name -eq 'areas' -and -not @($text -split ',' | Where-Object { $known[$Name] -cnotcontains $_ }).Count)) {
            throw "'$Kind' $Name is one of $($known[$Name] -join ', '), not '$text'"
        }
    }
    if ($known[$Name] -eq 'bool' -and $text -notin 'true', 'false') { throw "'$Kind' $Name is true or false, not '$text'" }
    $text
}
function Protect($Text) { "[enc:$([Convert]::ToBase64String([Text.Encoding]::UTF8.GetBytes($Text))):enc]" }
function Unprotect($Text) {
    if ($Text -match '^\[enc:(.*):enc\]$') { [Text.Encoding]::UTF8.GetString([Convert]::FromBase64String($Matches[1])) } else { $Text }
}
function Get-Entries($Xml, $b, $Filter) {
    # A collection as it counts at a place: what is inherited, and what the place clears, removes and adds.
    $key = $Collections[(Get-Kind $Filter)]
    $entries = New-Object System.Collections.ArrayList
    $levels = @($Xml.DocumentElement)
    $path = ''
    foreach ($part in "$(@($b['Location'])[0])" -split '/') {
        $path = if ($path) { "$path/$part" } else { $part }
        if ($path) { $levels += @($Xml.DocumentElement.SelectSingleNode("location[@path='$path']")) }
    }
    foreach ($level in $levels) {
        $node = Find-Element $level $Filter
        if ($null -eq $node) { continue }
        foreach ($each in @($node.SelectNodes('*'))) {
            $id = @($key | ForEach-Object { $each.GetAttribute($_) }) -join ' '
            switch ($each.get_Name()) {
                'clear' { $entries.Clear() }
                'remove' { $entries.Remove($id) }
                default { if ($entries -contains $id) { throw "Cannot add duplicate collection entry '$id'" }; $null = $entries.Add($id) }
            }
        }
    }
    , @($entries)
}

# --- Programs -------------------------------------------------------------------------------------------------------

$Runs = @{
    auditpol = {
        $guid = ("$($args[1])" -split ':', 2)[1]
        if ($args[0] -eq '/get') {
            ''; 'Machine Name,Policy Target,Subcategory,Subcategory GUID,Inclusion Setting,Exclusion Setting'
            "$($Script:M.computer.name),System,A name,$guid,$(if ($Script:M.audit.ContainsKey($guid)) { 'Success and Failure' } else { 'No Auditing' }),"
        }
        else { $Script:M.audit[$guid] = 3; Step }
    }
    certreq = {
        if ($args[0] -eq '-new') {
            $inf = $Script:M.files[$args[4]]
            $asked = [Security.Cryptography.X509Certificates.CertificateRequest]::new(
                (Read-Settings $inf $Script:Facts.request).'NewRequest/Subject', $Script:Key,
                [Security.Cryptography.HashAlgorithmName]::SHA256, [Security.Cryptography.RSASignaturePadding]::Pkcs1)
            $names = [Security.Cryptography.X509Certificates.SubjectAlternativeNameBuilder]::new()
            foreach ($each in [regex]::Matches($inf, '(?m)^_continue_ = "dns=([^"&]+)&?"\r$')) { $names.AddDnsName($each.Groups[1].Value) }
            $asked.CertificateExtensions.Add($names.Build())
            $text = [Convert]::ToBase64String($asked.CreateSigningRequest(), 'InsertLineBreaks')
            Write-File $args[5] "-----BEGIN NEW CERTIFICATE REQUEST-----`r`n$text`r`n-----END NEW CERTIFICATE REQUEST-----`r`n"
            Step
        }
        else {
            $pem = $Script:M.files[$args[-1]]
            $inner = ($pem -split "`r?`n" | Where-Object { $_ -and $_ -notlike '-----*' }) -join ''
            $own = New-Object System.Security.Cryptography.X509Certificates.X509Certificate2 (, [Convert]::FromBase64String($inner))
            $Script:M.certificates.My[$own.Thumbprint] = $own.Subject
            Step
        }
    }
    icacls = {
        if ($args.Count -eq 1) {
            if ($Script:M.acl.ContainsKey($args[0])) { "$($args[0]) $($Script:M.acl[$args[0]] -join ' ')" } else { "$($args[0]) BUILTIN\Users:(I)(OI)(CI)(RX)" }
            return
        }
        if ($args[1] -eq '/remove:g') { $Script:M.acl.Remove($args[0]) }
        elseif ($args[1] -eq '/grant') { $Script:M.acl[$args[0]] = @($Script:M.acl[$args[0]] | Where-Object { $_ }) + @($args[1..($args.Count - 1)]) }
        else { $Script:M.acl[$args[0]] = @($args[1..($args.Count - 1)]) }
        Step
    }
    klist = {
        # By logon, or the same for each.
        if ($args -contains 'sessions') { return @($Script:M.world.sessions) }
        if ($Script:M.world.klist -isnot [System.Collections.IDictionary]) { return @($Script:M.world.klist) }
        $at = [array]::IndexOf($args, '-li')
        'Current LogonId is 0:0x9d83b'; "Targeted LogonId is 0:$($args[$at + 1])"; ''
        @($Script:M.world.klist[$args[$at + 1]])
    }
    netsh = {
        $told = New-Table
        foreach ($each in $args) { if ($each -match '^(\w+)=(.+)$') { $told[$Matches[1]] = $Matches[2] } }
        $at = "$($told.ipport)"
        switch ("$($args[1]) $($args[2])") {
            'show sslcert' {
                $ports = @(if ($at) { $at } else { $Script:M.sslcert.Keys | Sort-Object }) | Where-Object { $Script:M.sslcert.ContainsKey($_) }
                if ($at -and -not @($ports).Count) { $global:LASTEXITCODE = 1; return 'The system cannot find the file specified.' }
                foreach ($each in @($ports)) {
                    $one = $Script:M.sslcert[$each]
                    ''; "    IP:port                      : $each"; "    Certificate Hash             : $($one.hash)"
                    "    Application ID               : $($one.application)"; "    Certificate Store Name       : $($one.store)"
                    '    Verify Client Certificate Revocation : Enabled' }
            }
            'add sslcert' {
                if ($Script:M.sslcert.ContainsKey($at)) { $global:LASTEXITCODE = 1; return 'SSL Certificate add failed, Error: 183' }
                if ($told.certstorename -eq 'MY' -and -not $Script:M.certificates.My.ContainsKey($told.certhash)) { $global:LASTEXITCODE = 1; return 'SSL Certificate add failed, Error: 1312' }
                $Script:M.sslcert[$at] = @{ hash = $told.certhash.ToLowerInvariant(); application = $told.appid.ToLowerInvariant(); store = $told.certstorename }; Step
            }
            'delete sslcert' { $Script:M.sslcert.Remove($at); Step }
            'flush logbuffer' { }
        }
    }
    shutdown = {
        if ($Script:M.world.refuses) { $global:LASTEXITCODE = 1115; return }
        $Script:M.world.restarts = $true
        Step
    }
    sysprep = {
        # Windows keeps a copy of the answers that it was given; a machine of a domain is not generalized.
        if ($Script:M.computer.member -or $Script:M.world.refuses) { return }
        $file = @($args | Where-Object { $_ -like '/unattend:*' })[0].Substring(10)
        $Script:M.world.answered = ([xml]$Script:M.files[$file]).SelectSingleNode('//*[local-name()="ComputerName"]').InnerText
        Set-Value $Setup 'ImageState' 'String' 'IMAGE_STATE_GENERALIZE_RESEAL_TO_OOBE'
        Step
    }
    ssei = {
        # The small program of an edition: it fetches that edition's media, of the kinds that there are of it.
        $told = New-Table
        foreach ($each in $args) { $key, $value = "$each" -split '=', 2; $told[$key] = $value }
        if ($told['/ACTION'] -ne 'Download' -or -not $told.ContainsKey('/QUIET')) { $global:LASTEXITCODE = 1; return 'a window that nobody sees' }
        $name = @{ 'SQL2022-SSEI-Dev CAB' = 'SQLServer2022-DEV-x64-ENU'; 'SQL2022-SSEI-Expr Core' = 'SQLEXPR_x64_ENU' }[
            "$(("$($Script:M.files[$Script:Program])" -split ': ')[1]) $($told['/MEDIATYPE'])"]
        if (-not $name) { $global:LASTEXITCODE = 1; return "no media of the kind $($told['/MEDIATYPE'])" }
        Write-File "$($told['/MEDIAPATH'])\$name.exe" "signed by Microsoft Corporation: $name"
        if ($told['/MEDIATYPE'] -eq 'CAB') { Write-File "$($told['/MEDIAPATH'])\$name.box" 'the rest' }
        Step
    }
    extract = {
        if (-not $Script:M.files.ContainsKey($Script:Program)) { $global:LASTEXITCODE = 1; return 'no such program' }
        $to = @($args | Where-Object { $_ -like '/x:*' })[0].Substring(3)
        Write-File "$to\setup.exe" 'signed by Microsoft Corporation: setup'
        Step
    }
    setup = {
        if (-not $Script:M.files.ContainsKey($Script:Program)) { $global:LASTEXITCODE = 1; return 'no such program' }
        $told = Read-Settings $Script:M.files["$($args[0])".Substring('/ConfigurationFile='.Length)] $Script:Facts.setup
        if (@($told.'OPTIONS/FEATURES' -split ',' | Where-Object { $_ -in 'SQL', 'SQLENGINE' }).Count) {
            $instance = $told.'OPTIONS/INSTANCENAME'
            $service = if ($instance -eq 'MSSQLSERVER') { $instance } else { "MSSQL`$$instance" }
            $own = "HKLM:\SOFTWARE\Microsoft\Microsoft SQL Server\MSSQL16.$instance"
            $tcp = "$own\MSSQLServer\SuperSocketNetLib\Tcp"
            # The instance has its name long before setup is done with it.
            Set-Value 'HKLM:\SOFTWARE\Microsoft\Microsoft SQL Server\Instance Names\SQL' $instance 'String' "MSSQL16.$instance"
            Set-Value "$own\ConfigurationState" 'SQL_Engine_Core_Inst' 'DWord' 2
            Step
            # The port is no parameter of setup's: it may be any, and the protocol is off where nothing is said.
            Set-Value $tcp 'Enabled' 'DWord' ([int]"0$($told.'OPTIONS/TCPENABLED')")
            Set-Value "$tcp\IPAll" 'TcpDynamicPorts' 'String' '49172'
            $Script:M.services[$service] = @{ status = 'Running' }
            $Script:M.sql.account = "NT Service\$service"
            $Script:M.sql.administrators = @($told.'OPTIONS/SQLSYSADMINACCOUNTS' -split '" "')
            Set-Value "$own\ConfigurationState" 'SQL_Engine_Core_Inst' 'DWord' 1
        }
        Step
    }
    bundle = { Write-File 'C:\Program Files\IIS\Asp.Net Core Module\V2\aspnetcorev2.dll' 'a module'; Step; $global:LASTEXITCODE = 3010 }
    sqlcmd = {
        $file = "$($args[[array]::IndexOf($args, '-i') + 1])"
        if ($file -like '*list-logins.sql') { return @($Script:M.sql.logins) }
        if ($file -like '*connections.sql') {
            if ($Script:M.world.refuses) { $global:LASTEXITCODE = 1; return $Script:M.world.refuses }
            return @($Script:M.world.connections)
        }
        $values = @{}
        foreach ($each in $args) { if ($each -match '^(\w+)="?(.*?)"?$') { $values[$Matches[1]] = $Matches[2] } }
        $logins = @($Script:M.sql.logins | Where-Object { $_ -ne $values.account })
        if ($values.wanted -eq 'yes') { $logins = @(@($logins) + $values.account | Sort-Object) }
        $Script:M.sql.logins = @($logins); Step
    }
}
