# What every script here shares: the document that comes in, the document that goes out, and setting only what differs.

Set-StrictMode -Version 2.0
# For functions of modules too, which know no preference of a script's.
$global:ErrorActionPreference = 'Stop'
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
$Changes = New-Object System.Collections.ArrayList
$InstallTask = 'doublehop-install'
$RestartOwed = 'C:\doublehop\restart-owed.txt'

function Read-Document {
    # The caller's document: handed over, in a file, or on standard input. Nothing secret is ever an argument.
    param([string]$InputPath, [object]$Document)
    if ($null -ne $Document) { return $Document }
    if ($InputPath) { $text = Get-Content -LiteralPath $InputPath -Raw -Encoding UTF8 }
    else { $text = [Console]::In.ReadToEnd() }
    if (-not "$text".Trim()) { throw 'expected one JSON document on standard input or in -InputPath' }
    ConvertFrom-Json -InputObject $text
}

function Write-Document {
    # The answer, on one line; the caller reads nothing else.
    param([object]$Answer)
    Write-Output (ConvertTo-Json -InputObject $Answer -Depth 20 -Compress)
}

function Get-Field {
    # A member of a JSON object, or the default where there is none; a missing key without a default names itself.
    param([object]$Object, [string]$Name, [object]$Default)
    if ($null -ne $Object) {
        $found = $Object.PSObject.Properties[$Name]
        if ($null -ne $found -and $null -ne $found.Value) { return $found.Value }
    }
    if ($PSBoundParameters.ContainsKey('Default')) { return $Default }
    throw "the document has no '$Name'"
}

function Get-FieldNames {
    # The keys of a JSON object, in order.
    param([object]$Object)
    if ($null -eq $Object) { return }
    foreach ($each in $Object.PSObject.Properties) { $each.Name }
}

function Add-Change {
    # Say what was changed; the list goes out with the answer.
    param([string]$What)
    $null = $Changes.Add($What)
    [Console]::Error.WriteLine($What)
}

function Get-Machine {
    # This machine's own entry of the topology.
    param([object]$Document)
    $name = Get-Field $Document 'machine'
    foreach ($each in @(Get-Field (Get-Field $Document 'topology') 'machines')) {
        if ((Get-Field $each 'name') -eq $name) { return $each }
    }
    throw "the topology has no machine '$name'"
}

function Get-MachineOfRole {
    # The first machine of a role.
    param([object]$Document, [string]$Role)
    foreach ($each in @(Get-Field (Get-Field $Document 'topology') 'machines')) {
        if ((Get-Field $each 'role') -eq $Role) { return $each }
    }
    throw "the topology has no machine with role '$Role'"
}

function Get-Secret {
    # A secret of the document, as what cmdlets take.
    param([object]$Document, [string]$Name)
    ConvertTo-SecureString -String (Get-Field (Get-Field $Document 'secrets') $Name) -AsPlainText -Force
}

function Get-RegistryValue {
    # A registry value, or nothing. By way of all values, because -Name takes '*.example' for a pattern.
    param([string]$Path, [string]$Name)
    if (-not (Test-Path -LiteralPath $Path)) { return }
    $values = Get-ItemProperty -LiteralPath $Path
    if ($null -eq $values) { return }
    $found = $values.PSObject.Properties[$Name]
    if ($null -ne $found) { $found.Value }
}

function Test-RegistryValue {
    # Whether a registry value is there and has this value.
    param([string]$Path, [string]$Name, [object]$Value)
    $found = Get-RegistryValue $Path $Name
    $null -ne $found -and "$found" -ceq "$Value"
}

function Set-RegistryValue {
    # Give a registry value its value. A key is made only where it is missing: New-Item -Force would empty it.
    param([string]$Path, [string]$Name, [string]$Type, [object]$Value)
    if (-not (Test-Path -LiteralPath $Path)) { $null = New-Item -Path $Path -Force }
    if (Test-RegistryValue $Path $Name $Value) { return }
    $null = New-ItemProperty -LiteralPath $Path -Name $Name -PropertyType $Type -Value $Value -Force
    Add-Change "registry: $Path $Name = $Value"
}

function Set-ServiceValue {
    # Give registry values that a service reads when it starts; each is a path, a name, a type and a value. The service stands
    # still meanwhile, so that whoever comes after a run that ended in the middle sees what is left to do.
    param([string]$Service, [object[]]$Values)
    if (@($Values | Where-Object { -not (Test-RegistryValue $_[0] $_[1] $_[3]) }).Count) {
        Stop-Service -Name $Service -Force
        foreach ($each in $Values) { Set-RegistryValue $each[0] $each[1] $each[2] $each[3] }
    }
    Start-Stopped $Service
}

function Start-Stopped {
    # Have a service run that stands still; one that is about to start is left to it.
    param([string]$Name)
    if ("$((Get-Service -Name $Name).Status)" -ne 'Stopped') { return }
    Start-Service -Name $Name
    Add-Change "service: $Name runs"
}

function New-Folder {
    # Make a folder where it is missing.
    param([string]$Path)
    if (-not (Test-Path -LiteralPath $Path)) { $null = New-Item -Path $Path -ItemType Directory -Force }
}

function Remove-Folder {
    # Remove a folder with what is in it, where there is one.
    param([string]$Path)
    if (Test-Path -LiteralPath $Path) { Remove-Item -LiteralPath $Path -Recurse -Force }
}

function Set-TextFile {
    # Give a file its text, in a folder that is made when missing.
    param([string]$Path, [string]$Text, [string]$Encoding = 'UTF8')
    New-Folder $Path.Substring(0, $Path.LastIndexOf('\'))
    if (Test-Path -LiteralPath $Path) {
        if ((Get-Content -LiteralPath $Path -Raw -Encoding $Encoding) -ceq $Text) { return }
    }
    Set-Content -LiteralPath $Path -Value $Text -Encoding $Encoding -NoNewline
    Add-Change "file: $Path"
}

function Add-Feature {
    # Install what is missing of these Windows features; says whether the machine has to restart for it.
    param([string[]]$Name)
    $missing = @(Get-WindowsFeature -Name $Name | Where-Object { $_.InstallState -ne 'Installed' })
    $pending = @($missing | Where-Object { $_.InstallState -eq 'InstallPending' })
    if ($pending.Count) { return $true }
    if (-not $missing.Count) { return $false }
    $names = @($missing | ForEach-Object { $_.Name })
    $done = Install-WindowsFeature -Name $names -IncludeManagementTools
    if (-not $done.Success) { throw "Windows would not install $($names -join ', ')" }
    Add-Change "features: $($names -join ', ')"
    "$($done.RestartNeeded)" -eq 'Yes'
}

function Open-Port {
    # Let TCP connections in to these ports.
    param([string]$Name, [string[]]$Port)
    $rule = Get-NetFirewallRule -Name $Name -ErrorAction SilentlyContinue
    if ($null -ne $rule) {
        $filter = Get-NetFirewallPortFilter -AssociatedNetFirewallRule $rule
        if ((@($filter.LocalPort) -join ',') -eq ($Port -join ',')) { return }
        Remove-NetFirewallRule -Name $Name
    }
    $null = New-NetFirewallRule -Name $Name -DisplayName $Name -Direction Inbound -Protocol TCP -LocalPort $Port -Action Allow
    Add-Change "firewall: $Name $($Port -join ',')"
}

function Save-Program {
    # Have a program of Microsoft's at a path: the one that somebody put there, else what its address gives.
    param([string]$Uri, [string]$Path)
    if (-not (Test-Path -LiteralPath $Path)) {
        New-Folder $Path.Substring(0, $Path.LastIndexOf('\'))
        # What was cut short is never at the path itself. Server 2019's .NET offers an old TLS alone unless it is told.
        [Net.ServicePointManager]::SecurityProtocol = 'Tls12'
        Invoke-WebRequest -Uri $Uri -OutFile "$Path.part" -UseBasicParsing
        Move-Item -LiteralPath "$Path.part" -Destination $Path -Force
        Add-Change "from ${Uri}: $Path"
    }
    Assert-Signature $Path
}

function Assert-Signature {
    # Refuse a program that Microsoft has not signed, wherever it came from.
    param([string]$Path)
    $signature = Get-AuthenticodeSignature -LiteralPath $Path
    if ("$($signature.Status)" -ne 'Valid' -or $signature.SignerCertificate.Subject -notlike '*O=Microsoft Corporation*') {
        throw "$Path is not a program with Microsoft's signature ($($signature.Status)); remove it, or put the right one there"
    }
}

function Invoke-Program {
    # Run a program and give its lines; an exit code that is not expected is an error with what the program said.
    param([string]$Program, [string[]]$Arguments, [int[]]$Expected = @(0))
    # A native program's error lines are no errors of PowerShell's; its exit code decides.
    $ErrorActionPreference = 'Continue'
    $lines = @(& $Program @Arguments 2>&1 | ForEach-Object { "$_" })
    $code = $LASTEXITCODE
    $ErrorActionPreference = 'Stop'
    if ($Expected -notcontains $code) { throw "$Program ended with ${code}: $($lines -join ' ')" }
    $lines
}

function Get-Start {
    # When the machine was started, by its own clock.
    (Get-CimInstance -ClassName Win32_OperatingSystem).LastBootUpTime.ToUniversalTime().ToString('o')
}

function Test-RestartOwed {
    # Whether an installer that ran since the machine was started wanted a restart, or was never heard of again.
    if (-not (Test-Path -LiteralPath $RestartOwed)) { return $false }
    if ((Get-Content -LiteralPath $RestartOwed -Raw -Encoding ASCII) -eq (Get-Start)) { return $true }
    Remove-Item -LiteralPath $RestartOwed
    $false
}

function Invoke-Installer {
    # Run an installer, or what else gives an exit code like one; says whether it wants the machine to restart (3010). A file
    # says the same to whoever comes after a run that ended before it could.
    param([scriptblock]$Run)
    New-Folder 'C:\doublehop'
    Set-Content -LiteralPath $RestartOwed -Value (Get-Start) -Encoding ASCII -NoNewline
    $code = 0
    try { $code = & $Run }
    finally { if ($code -ne 3010) { Remove-Item -LiteralPath $RestartOwed } }
    $code -eq 3010
}

function Install-Program {
    # Run an installer; says whether it wants the machine to restart.
    param([string]$Program, [string[]]$Arguments)
    Invoke-Installer {
        $null = Invoke-Program $Program $Arguments -Expected @(0, 3010)
        $LASTEXITCODE
        # A script that says nothing of its own exit code may end with this one.
        $global:LASTEXITCODE = 0
    }
}

function Install-AsSystem {
    # Run an installer as the machine itself, by a task; says whether it wants the machine to restart. A session over the
    # network has no key of its user's for what setup encrypts (DPAPI), and a share of the memory alone.
    param([string]$Program, [string[]]$Arguments, [int]$Minutes)
    $name = $InstallTask
    $action = New-ScheduledTaskAction -Execute $Program -Argument ($Arguments -join ' ')
    $settings = New-ScheduledTaskSettingsSet -AllowStartIfOnBatteries -DontStopIfGoingOnBatteries
    Invoke-Installer {
        try {
            $null = Register-ScheduledTask -TaskName $name -Action $action -Settings $settings -User 'SYSTEM' -RunLevel Highest -Force
            Start-ScheduledTask -TaskName $name
            # SCHED_S_TASK_HAS_NOT_RUN, SCHED_S_TASK_QUEUED and SCHED_S_TASK_RUNNING: it is about to start, or at it.
            Wait-Until "the end of $Program" (60 * $Minutes) 5 { (Get-ScheduledTaskInfo -TaskName $name).LastTaskResult -notin 0x41303, 0x41325, 0x41301 }
            $code = (Get-ScheduledTaskInfo -TaskName $name).LastTaskResult
        }
        finally { Remove-Task $name }
        if ($code -notin 0, 3010) { throw "$Program ended with $code" }
        $code
    }
}

function Wait-Until {
    # Wait until something is so, looking again every few seconds.
    param([string]$What, [int]$Seconds, [int]$Every, [scriptblock]$IsSo)
    for ($waited = 0; -not (& $IsSo); $waited += $Every) {
        if ($waited -ge $Seconds) { throw "waited $Seconds s in vain for $What" }
        Start-Sleep -Seconds $Every
    }
}

function Remove-Task {
    # Remove a scheduled task, where there is one.
    param([string]$Name)
    if ($null -ne (Get-ScheduledTask -TaskName $Name -ErrorAction SilentlyContinue)) {
        Unregister-ScheduledTask -TaskName $Name -Confirm:$false
    }
}

function ConvertFrom-Pem {
    # The certificate in a PEM text.
    param([string]$Pem)
    $inner = ($Pem -split "`r?`n" | Where-Object { $_ -and $_ -notlike '-----*' }) -join ''
    $bytes = [Convert]::FromBase64String($inner)
    New-Object System.Security.Cryptography.X509Certificates.X509Certificate2 -ArgumentList (, $bytes)
}

function Get-OwnCertificate {
    # The newest certificate that somebody else signed for this name and that this machine has the key of, or nothing.
    param([string]$Name)
    Get-ChildItem -LiteralPath 'Cert:\LocalMachine\My' |
        Where-Object { $_.Subject -eq "CN=$Name" -and $_.Issuer -ne $_.Subject -and $_.HasPrivateKey -and $_.NotAfter -gt (Get-Date) } |
        Sort-Object -Property NotAfter -Descending | Select-Object -First 1
}

function Step-Answer {
    # What a provisioning script answers: what it changed, and what it waits for.
    param([string]$Needs = '', [string]$Request = '', [string]$DomainSid = '')
    Write-Document @{ changed = @($Changes); needs = $Needs; request = $Request; domain_sid = $DomainSid }
}
