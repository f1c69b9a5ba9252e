#Requires -Version 5.1
# Brings IIS to a scenario's front-end configuration, or back to what it was before the first one.
[CmdletBinding()]
param([string]$InputPath, [object]$Document)
. "$PSScriptRoot\common.ps1"
$Document = Read-Document $InputPath $Document
$before = 'doublehop'
$kept = 'C:\doublehop\iis-before.json'  # what IIS's own backup does not have: HTTP.sys's certificates and limits
$root = 'C:\inetpub\doublehop'
$page = 'C:\doublehop\aspnet\framework'
$core = 'C:\doublehop\aspnet\core.txt'  # which folder has the page that was brought last
$dotnet = 'C:\Program Files\dotnet\dotnet.exe'
$limits = 'HKLM:\SYSTEM\CurrentControlSet\Services\HTTP\Parameters'
$limitNames = 'MaxFieldLength', 'MaxRequestBytes'
$usual = 16384
$application = '{4DC3E181-E14B-4A21-B022-59FC669B0914}'  # IIS's own, in the list that HTTP.sys keeps of certificates
$where = @{ PSPath = 'MACHINE/WEBROOT/APPHOST' }
$security = 'system.webServer/security/authentication'
$sections = 'windowsAuthentication', 'anonymousAuthentication', 'basicAuthentication'

function Get-HostConfiguration {
    # applicationHost.config as it is on disk.
    [xml](Get-Content -LiteralPath 'C:\Windows\System32\inetsrv\config\applicationHost.config' -Raw -Encoding UTF8)
}

function Get-Attribute {
    # An attribute's text, or nothing where it is left to its default.
    param([object]$Node, [string]$Name)
    if ($null -ne $Node -and $Node.HasAttribute($Name)) { $Node.GetAttribute($Name) }
}

function ConvertTo-Word {
    # A value as configuration files write it.
    param([object]$Value)
    if ($Value -is [bool]) { "$Value".ToLowerInvariant() } else { "$Value" }
}

function Set-Attribute {
    # Give an attribute its value, if the file says another one or none.
    param([object]$Node, [string]$Filter, [string]$Name, [object]$Value, [string]$Location)
    if ((Get-Attribute $Node $Name) -ceq (ConvertTo-Word $Value)) { return }
    $place = @{}
    if ($Location) { $place['Location'] = $Location }
    Set-WebConfigurationProperty @where @place -Filter $Filter -Name $Name -Value $Value
    Add-Change "$(if ($Location) { "${Location}: " })$Filter $Name = $(ConvertTo-Word $Value)"
}

function Get-Folder {
    # Where the files of an application are.
    param([string]$Site, [string]$Path)
    $inside = ($Path.Trim('/') -replace '[^A-Za-z0-9]', '-')
    "$root\$($Site -replace '[^A-Za-z0-9]', '-')\$(if ($inside) { "app-$inside" } else { 'root' })"
}

function Set-Pool {
    # An application pool with its identity. A password can be compared too: IIS gives it to an administrator.
    param([string]$Name, [object]$Pool)
    $filter = "system.applicationHost/applicationPools/add[@name='$Name']"
    $pools = '/configuration/system.applicationHost/applicationPools'
    if ($null -eq (Get-HostConfiguration).SelectSingleNode("$pools/add[@name='$Name']")) {
        $null = New-WebAppPool -Name $Name
        Add-Change "pool: $Name"
    }
    $node = (Get-HostConfiguration).SelectSingleNode("$pools/add[@name='$Name']")
    # ASP.NET Core brings its own runtime: a pool that loads none of IIS's.
    Set-Attribute $node $filter 'managedRuntimeVersion' $(if ($isCore) { '' } else { 'v4.0' })
    $model = $node.SelectSingleNode('processModel')
    if ($Pool.identityType -eq 'SpecificUser') {
        $account = Get-Field (Get-Field $Document 'accounts') $Pool.userName
        $password = Get-Field $account 'password' ''
        Set-Attribute $model "$filter/processModel" 'userName' (Get-Field $account 'account')
        if ("$((Get-WebConfigurationProperty @where -Filter "$filter/processModel" -Name password).Value)" -cne $password) {
            Set-WebConfigurationProperty @where -Filter "$filter/processModel" -Name password -Value $password
            Add-Change "pool: $Name has its account's password"
        }
    }
    Set-Attribute $model "$filter/processModel" 'identityType' $Pool.identityType
    # Without a profile a custom account has no place for its own files (row B-34).
    Set-Attribute $model "$filter/processModel" 'loadUserProfile' $true
}

function Get-BackEnds {
    # What the page is told of its back ends, by name: a kind and where it is, as the page's web.config has it.
    $told = @{}
    $given = Get-Field $Document 'back_ends' $null
    foreach ($each in @(Get-FieldNames $given)) { $told[$each] = "sqlserver $(Get-Field $given $each)" }
    $given = Get-Field $Document 'pages' $null
    foreach ($each in @(Get-FieldNames $given)) { $told[$each] = "page $(Get-Field $given $each)" }
    $told
}

function Get-CoreWebConfig {
    # An application's web.config: the page's own, with where the page is, and what it is told, as its environment. IIS begins
    # anew when it changes.
    param([object]$Impersonate)
    if (-not ($Impersonate -is [bool])) { throw 'ASP.NET Core has no <identity>: a page acts as its caller or as its process' }
    $folder = (Get-Content -LiteralPath $core -Raw -Encoding UTF8).Trim()
    $file = [xml](Get-Content -LiteralPath "$folder\web.config" -Raw -Encoding UTF8)
    $module = $file.SelectSingleNode('/configuration/location/system.webServer/aspNetCore')
    $module.SetAttribute('processPath', $dotnet)
    $module.SetAttribute('arguments', "$folder\whoami.dll")
    $told = Get-BackEnds
    $backEnds = [ordered]@{}
    foreach ($name in @($told.Keys | Sort-Object)) {
        $kind, $where = $told[$name] -split ' ', 2
        $backEnds[$name] = [ordered]@{ kind = $kind; where = $where }
    }
    $variables = $module.AppendChild($file.CreateElement('environmentVariables'))
    $variable = $variables.AppendChild($file.CreateElement('environmentVariable'))
    $variable.SetAttribute('name', 'WHOAMI')
    $variable.SetAttribute('value', (ConvertTo-Json -InputObject ([ordered]@{ impersonate = $Impersonate; backEnds = $backEnds }) -Depth 5 -Compress))
    $file.OuterXml
}

function Get-WebConfig {
    # An application's web.config: the page's own, if it has one, with who its threads are and whom it can ask.
    param([object]$Impersonate, [string]$Temporary)
    $text = '<configuration><system.web><compilation targetFramework="4.7.2" /><httpRuntime targetFramework="4.7.2" /></system.web></configuration>'
    if (Test-Path -LiteralPath "$page\web.config") { $text = Get-Content -LiteralPath "$page\web.config" -Raw -Encoding UTF8 }
    $file = [xml]$text
    $configuration = $file.SelectSingleNode('/configuration')
    function Get-Child([object]$Parent, [string]$Name) {
        $found = $Parent.SelectSingleNode($Name)
        if ($null -eq $found) { $found = $Parent.AppendChild($file.CreateElement($Name)) }
        $found
    }
    # An integrated pipeline refuses impersonation unless it is told not to look (row B-15).
    $validation = Get-Child (Get-Child $configuration 'system.webServer') 'validation'
    $validation.SetAttribute('validateIntegratedModeConfiguration', 'false')
    $identity = Get-Child (Get-Child $configuration 'system.web') 'identity'
    if ($Impersonate -is [bool]) { $identity.SetAttribute('impersonate', (ConvertTo-Word $Impersonate)) }
    else {
        $fixed = Get-Field (Get-Field $Document 'fixed') $Impersonate.userName
        $identity.SetAttribute('impersonate', 'true')
        $identity.SetAttribute('userName', (Get-Field $fixed 'account'))
        $identity.SetAttribute('password', (Get-Field $fixed 'password'))
        # What ASP.NET compiles, that user has to write and read; ASP.NET's own folder is for the accounts of pools alone.
        (Get-Child (Get-Child $configuration 'system.web') 'compilation').SetAttribute('tempDirectory', $Temporary)
    }
    $settings = Get-Child $configuration 'appSettings'
    foreach ($each in @($settings.SelectNodes("add[starts-with(@key, 'back-end:')]"))) { $null = $settings.RemoveChild($each) }
    $told = Get-BackEnds
    foreach ($name in @($told.Keys | Sort-Object)) {
        $setting = $settings.AppendChild($file.CreateElement('add'))
        $setting.SetAttribute('key', "back-end:$name")
        $setting.SetAttribute('value', $told[$name])
    }
    $file.OuterXml
}

function Set-Files {
    # An application's folder: the page's files, and its own web.config, which only those who run it may read.
    param([string]$Folder, [object]$Impersonate)
    if (-not (Test-Path -LiteralPath $Folder)) { $null = New-Item -Path $Folder -ItemType Directory -Force }
    if ($isCore) { return Set-TextFile "$Folder\web.config" (Get-CoreWebConfig $Impersonate) }
    if (Test-Path -LiteralPath $page) {
        foreach ($each in @(Get-ChildItem -LiteralPath $page -File -Recurse | Where-Object { $_.Name -ne 'web.config' })) {
            $own = "$Folder$($each.FullName.Substring($page.Length))"
            $into = $own.Substring(0, $own.LastIndexOf('\'))
            if (-not (Test-Path -LiteralPath $into)) { $null = New-Item -Path $into -ItemType Directory -Force }
            Set-TextFile $own (Get-Content -LiteralPath $each.FullName -Raw -Encoding UTF8)
        }
    }
    $secret = -not ($Impersonate -is [bool])
    $closed = "$(Invoke-Program 'icacls.exe' @($Folder))" -notlike '*(I)*'
    if ($secret -and -not $closed) {
        # SYSTEM, Administrators, and IIS_IUSRS, of which every pool's account is one while it runs.
        $null = Invoke-Program 'icacls.exe' @($Folder, '/inheritance:r', '/grant:r', '*S-1-5-18:(OI)(CI)F',
            '*S-1-5-32-544:(OI)(CI)F', '*S-1-5-32-568:(OI)(CI)RX')
        Add-Change "closed: $Folder"
    }
    if ($secret) {
        # The user that threads are then, who is in no such group.
        $user = Get-Field (Get-Field (Get-Field $Document 'fixed') $Impersonate.userName) 'account'
        New-Folder "$Folder.temporary"
        foreach ($each in @(@{ path = $Folder; right = 'RX' }, @{ path = "$Folder.temporary"; right = 'M' })) {
            if ("$(Invoke-Program 'icacls.exe' @($each.path))" -like "*${user}:*") { continue }
            $null = Invoke-Program 'icacls.exe' @($each.path, '/grant', "${user}:(OI)(CI)$($each.right)", "*S-1-5-32-568:(OI)(CI)$($each.right)")
            Add-Change "open to ${user}: $($each.path)"
        }
    }
    Set-TextFile "$Folder\web.config" (Get-WebConfig $Impersonate "$Folder.temporary")
}

function Set-Applications {
    # A site's applications: those of the configuration, each in its pool and its folder, and no others.
    param([string]$Site, [object]$Given)
    $filter = "system.applicationHost/sites/site[@name='$Site']"
    $node = (Get-HostConfiguration).SelectSingleNode("/configuration/$filter")
    $paths = @(Get-FieldNames $Given.applications)
    foreach ($each in @($node.SelectNodes('application'))) {
        $path = $each.GetAttribute('path')
        if ($path -ne '/' -and $paths -notcontains $path) {
            Remove-WebApplication -Site $Site -Name $path.Trim('/')
            Add-Change "no longer: $Site$path"
        }
    }
    if ($paths.Count -and $paths -notcontains '/') {
        # IIS wants a first application: nothing of ours is in this one, and what another configuration left is gone.
        $folder = Get-Folder $Site '/'
        if (Test-Path -LiteralPath "$folder\web.config") {
            Remove-Item -LiteralPath $folder -Recurse -Force
            Add-Change "no longer: $Site/"
        }
        if (-not (Test-Path -LiteralPath $folder)) { $null = New-Item -Path $folder -ItemType Directory -Force }
        Set-Attribute $node.SelectSingleNode("application[@path='/']") "$filter/application[@path='/']" 'applicationPool' `
            (Get-Field $Given.applications $paths[0]).applicationPool
        Set-Attribute $node.SelectSingleNode("application[@path='/']/virtualDirectory[@path='/']") `
            "$filter/application[@path='/']/virtualDirectory[@path='/']" 'physicalPath' $folder
    }
    foreach ($path in $paths) {
        $app = Get-Field $Given.applications $path
        $folder = Get-Folder $Site $path
        Set-Files $folder $app.impersonate
        $own = $node.SelectSingleNode("application[@path='$path']")
        if ($null -eq $own) {
            $null = New-WebApplication -Site $Site -Name $path.Trim('/') -PhysicalPath $folder -ApplicationPool $app.applicationPool
            Add-Change "application: $Site$path"
            continue
        }
        Set-Attribute $own "$filter/application[@path='$path']" 'applicationPool' $app.applicationPool
        Set-Attribute $own.SelectSingleNode("virtualDirectory[@path='/']") `
            "$filter/application[@path='$path']/virtualDirectory[@path='/']" 'physicalPath' $folder
    }
}

function Set-Bindings {
    # A site's bindings, in order; http where nothing is said.
    param([string]$Site, [string[]]$Bindings)
    $filter = "system.applicationHost/sites/site[@name='$Site']/bindings"
    $wanted = @($Bindings | ForEach-Object { if ($_ -like '*/*') { $_ } else { "http/$_" } })
    $found = @((Get-HostConfiguration).SelectNodes("/configuration/$filter/binding") |
        ForEach-Object { "$($_.GetAttribute('protocol'))/$($_.GetAttribute('bindingInformation'))" })
    if (($found -join ' ') -ceq ($wanted -join ' ')) { return }
    foreach ($each in $found) {
        $protocol, $information = $each -split '/', 2
        Remove-WebConfigurationProperty @where -Filter $filter -Name '.' -AtElement @{ protocol = $protocol; bindingInformation = $information }
    }
    foreach ($each in $wanted) {
        $protocol, $information = $each -split '/', 2
        Add-WebConfigurationProperty @where -Filter $filter -Name '.' -Value @{ protocol = $protocol; bindingInformation = $information }
    }
    Add-Change "bindings of ${Site}: $($wanted -join ' ')"
}

function Set-Site {
    # A site with its bindings and applications; the first application is the site's own.
    param([string]$Name, [object]$Given)
    $sites = @((Get-HostConfiguration).SelectNodes('/configuration/system.applicationHost/sites/site'))
    if (-not @($sites | Where-Object { $_.GetAttribute('name') -eq $Name }).Count) {
        $folder = Get-Folder $Name '/'
        if (-not (Test-Path -LiteralPath $folder)) { $null = New-Item -Path $folder -ItemType Directory -Force }
        # By its own number: without any site there is none to count from.
        $id = 1 + (@(0) + @($sites | ForEach-Object { [int]$_.GetAttribute('id') }) | Measure-Object -Maximum).Maximum
        $null = New-Website -Name $Name -Id $id -PhysicalPath $folder -Force
        Add-Change "site: $Name"
    }
    Set-Bindings $Name $Given.bindings
    Set-Applications $Name $Given
}

function Set-Section {
    # One authentication section of a site or an application; one that says nothing inherits.
    param([string]$Location, [string]$Section, [object]$Given)
    $filter = "$security/$Section"
    $node = (Get-HostConfiguration).SelectSingleNode("/configuration/location[@path='$Location']/$filter")
    if ($null -eq $Given) {
        if ($null -ne $node) {
            Clear-WebConfiguration @where -Location $Location -Filter $filter
            Add-Change "${Location}: $Section is inherited"
        }
        return
    }
    foreach ($each in $Given.PSObject.Properties) {
        if ($each.Name -eq 'providers') {
            $wanted = @($each.Value)
            $found = @(Get-WebConfigurationProperty @where -Location $Location -Filter "$filter/providers" -Name Collection | ForEach-Object { $_.value })
            if (($found -join ',') -ceq ($wanted -join ',')) { continue }
            # One by one, because what a list inherits goes only by name.
            foreach ($one in $found) {
                Remove-WebConfigurationProperty @where -Location $Location -Filter "$filter/providers" -Name '.' -AtElement @{ value = $one }
            }
            foreach ($one in $wanted) {
                Add-WebConfigurationProperty @where -Location $Location -Filter "$filter/providers" -Name '.' -Value @{ value = $one }
            }
            Add-Change "${Location}: providers $($wanted -join ', ')"
        }
        elseif ($each.Name -eq 'extendedProtection') {
            $child = if ($null -ne $node) { $node.SelectSingleNode('extendedProtection') }
            Set-Attribute $child "$filter/extendedProtection" 'tokenChecking' $each.Value.tokenChecking $Location
        }
        else { Set-Attribute $node $filter $each.Name $each.Value $Location }
    }
}

function Get-Binding {
    # The certificate of a port of every address: its hash, whose it is, its store; an empty hash where there is none.
    param([string]$Port)
    $shown = "$(Invoke-Program 'netsh.exe' @('http', 'show', 'sslcert', "ipport=0.0.0.0:$Port") -Expected @(0, 1))"
    $binding = [ordered]@{ port = $Port; hash = ''; application = ''; store = '' }
    # By their looks, in the order that netsh has them in: the words before them are in the system's language.
    if ($shown -match ': ([0-9a-f]{40})\b.*?(\{[0-9a-f-]{36}\})[^:]*: (\w+)') {
        $binding.hash, $binding.application, $binding.store = $Matches[1], $Matches[2], $Matches[3]
    }
    $binding
}

function Set-Binding {
    # Give a port of every address the certificate of a binding, or none.
    param([object]$Wanted)
    $port = $Wanted.port
    $found = Get-Binding $port
    if ("$($found.hash) $($found.application) $($found.store)" -eq "$($Wanted.hash) $($Wanted.application) $($Wanted.store)") { return }
    if ($found.hash) { $null = Invoke-Program 'netsh.exe' @('http', 'delete', 'sslcert', "ipport=0.0.0.0:$port") }
    if ($Wanted.hash) {
        $null = Invoke-Program 'netsh.exe' @('http', 'add', 'sslcert', "ipport=0.0.0.0:$port", "certhash=$($Wanted.hash)",
            "appid=$($Wanted.application)", "certstorename=$($Wanted.store)")
    }
    Add-Change "$(if ($Wanted.hash) { 'certificate' } else { 'no certificate' }) on port $port"
}

function Get-Kept {
    # What HTTP.sys had before the first configuration.
    ConvertFrom-Json -InputObject (Get-Content -LiteralPath $kept -Raw -Encoding UTF8)
}

function Set-Kept {
    # Keep what HTTP.sys had: its limits, and the certificates of the ports that were somebody else's before they were ours.
    param([object]$Limits, [object[]]$Certificates)
    Set-TextFile $kept (ConvertTo-Json -InputObject ([ordered]@{ limits = $Limits; certificates = $Certificates }) -Depth 5 -Compress)
}

function Set-Certificates {
    # Every TLS port of a site has the certificate that the machine took last.
    param([object]$Sites)
    $ports = @(foreach ($each in @(Get-FieldNames $Sites)) {
            foreach ($one in (Get-Field $Sites $each).bindings) { if ($one -like 'https/*') { ($one -split ':')[1] } }
        }) | Sort-Object -Unique
    if (-not @($ports).Count) { return }
    $taken = 'C:\doublehop\certificates\own.cer'
    if (-not (Test-Path -LiteralPath $taken)) { throw 'this machine has taken no certificate, and a site speaks TLS' }
    $thumbprint = (ConvertFrom-Pem (Get-Content -LiteralPath $taken -Raw -Encoding ASCII)).Thumbprint
    foreach ($port in @($ports)) {
        $were = Get-Kept
        if (-not @($were.certificates | Where-Object { $_.port -eq $port }).Count) {
            Set-Kept $were.limits (@($were.certificates) + (Get-Binding $port))
        }
        Set-Binding @{ port = $port; hash = $thumbprint; application = $application; store = 'MY' }
    }
}

function Start-Pool {
    # Start a pool anew: its process signs in again, and has no tickets of another configuration's.
    param([string]$Name)
    if ((Get-WebAppPoolState -Name $Name).Value -eq 'Started') { return Restart-WebAppPool -Name $Name }
    Start-WebAppPool -Name $Name
    Add-Change "started: pool $Name"
}

function Start-Site {
    # Start a site, if it does not run.
    param([string]$Name)
    if ((Get-WebsiteState -Name $Name).Value -eq 'Started') { return }
    Start-Website -Name $Name
    Add-Change "started: $Name"
}

function Invoke-Soon {
    # Do something that IIS may refuse for some seconds, while it still takes in what was configured (0x800710D8).
    param([scriptblock]$Action)
    for ($left = 30; ; $left--) {
        try { return & $Action }
        catch { if (-not $left) { throw } }
        Start-Sleep -Milliseconds 500
    }
}

function Set-Limit {
    # A limit of HTTP.sys, which counts after the next start. Where there is no value it is the usual one.
    param([string]$Name, [object]$Value)
    if ($null -ne $Value) { Set-RegistryValue $limits $Name 'DWord' $Value }
    elseif ($null -ne (Get-RegistryValue $limits $Name)) {
        Remove-ItemProperty -LiteralPath $limits -Name $Name
        Add-Change "HTTP.sys: $Name as usual"
    }
}

function Get-Needs {
    # HTTP.sys reads its limits when it starts, and WinRM lives in it too: the machine starts anew.
    if (@($Changes | Where-Object { $_ -like 'HTTP.sys:*' -or $_ -like "registry: $limits*" }).Count) { 'restart' } else { '' }
}

if (Get-Field $Document 'undo' $false) {
    if (Test-Path -LiteralPath $kept) {
        $were = Get-Kept
        foreach ($name in $limitNames) { Set-Limit $name (Get-Field $were.limits $name $null) }
        foreach ($each in @($were.certificates)) { Set-Binding $each }
    }
    if (@(Get-WebConfigurationBackup | Where-Object { $_.Name -eq $before }).Count) {
        Restore-WebConfiguration -Name $before
        Remove-WebConfigurationBackup -Name $before
        Add-Change 'IIS as before'
    }
    if (Test-Path -LiteralPath $root) {
        # A process that is about to end may still hold a file.
        Invoke-Soon { Remove-Item -LiteralPath $root -Recurse -Force }
        Add-Change "no longer: $root"
    }
    if (Test-Path -LiteralPath $kept) { Remove-Item -LiteralPath $kept }
    Write-Document @{ changed = @($Changes); needs = (Get-Needs) }
    return
}

$isCore = (Get-Field $Document 'page' 'framework') -eq 'core'
$config = Get-Field $Document 'config'
$sites = Get-Field $config 'sites'
$pools = Get-Field $config 'applicationPools'

# What IIS was before the first configuration is kept by IIS itself, under a name of ours, once the rest is kept.
if (-not @(Get-WebConfigurationBackup | Where-Object { $_.Name -eq $before }).Count) {
    $limitsBefore = [ordered]@{}
    foreach ($name in $limitNames) {
        $value = Get-RegistryValue $limits $name
        if ($null -ne $value) { $limitsBefore[$name] = $value }
    }
    Set-Kept $limitsBefore @()
    $null = Backup-WebConfiguration -Name $before
    Add-Change 'kept what IIS was'
}
foreach ($each in @((Get-HostConfiguration).SelectNodes('/configuration/system.applicationHost/sites/site'))) {
    $name = $each.GetAttribute('name')
    if (@(Get-FieldNames $sites) -notcontains $name) {
        Remove-Website -Name $name
        Add-Change "no longer: $name"
    }
}
foreach ($name in @(Get-FieldNames $pools)) { Set-Pool $name (Get-Field $pools $name) }
Set-Certificates $sites
$locations = @{}
foreach ($name in @(Get-FieldNames $sites)) {
    $site = Get-Field $sites $name
    Set-Site $name $site
    # What the first application says for itself, it says for the site.
    $own = Get-Field $site.applications '/' $null
    foreach ($section in $sections) { Set-Section $name $section (Get-Field $own $section (Get-Field $site $section)) }
    $locations[$name] = $true
    foreach ($path in @(Get-FieldNames $site.applications)) {
        if ($path -eq '/') { continue }
        $locations["$name$path"] = $true
        foreach ($section in $sections) { Set-Section "$name$path" $section (Get-Field (Get-Field $site.applications $path) $section $null) }
    }
}
# What was said of a site or an application that is gone is said of nobody.
foreach ($each in @((Get-HostConfiguration).SelectNodes('/configuration/location[@path!=""]'))) {
    $path = $each.GetAttribute('path')
    if ($locations.ContainsKey($path)) { continue }
    foreach ($section in $sections) { Set-Section $path $section $null }
}
foreach ($each in @((Get-HostConfiguration).SelectNodes('/configuration/system.applicationHost/applicationPools/add'))) {
    $name = $each.GetAttribute('name')
    if (@(Get-FieldNames $pools) -notcontains $name) {
        Remove-WebAppPool -Name $name
        Add-Change "no longer: pool $name"
    }
}
$kernel = Get-Field $config 'httpSys' $null
foreach ($name in $limitNames) {
    $value = Get-Field $kernel $name $usual
    Set-Limit $name $(if ($value -ne $usual) { $value })
}
foreach ($name in @(Get-FieldNames $pools)) { Invoke-Soon { Start-Pool $name } }
foreach ($name in @(Get-FieldNames $sites)) { Invoke-Soon { Start-Site $name } }
# What services were given, or refused, for another configuration they keep for a quarter of an hour.
foreach ($each in '0x3e7', '0x3e4') { $null = Invoke-Program 'klist.exe' @('-li', $each, 'purge') -Expected @(0, 1) }
Write-Document @{ changed = @($Changes); needs = (Get-Needs) }
