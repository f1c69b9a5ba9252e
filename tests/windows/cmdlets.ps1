# What each cmdlet does to the model of a machine. Their parameters are generated from Microsoft's reference.

$Does = @{
    'Get-CimInstance' = { param($b)
        $c = $Script:M.computer
        switch ("$($b['ClassName'])") {
            'Win32_ComputerSystem' { return [pscustomobject]@{ Name = $c.name; Domain = $c.domain; PartOfDomain = $c.member; DomainRole = $c.role } }
            'Win32_OperatingSystem' { return [pscustomobject]@{ LastBootUpTime = ([datetime]'2026-11-24T00:00:00Z').AddHours([int]$Script:M.world.starts + $Script:Starts) } }
            'Win32_DeviceGuard' {
                if ($b['Namespace'] -eq 'root\Microsoft\Windows\DeviceGuard') { return [pscustomobject]@{ SecurityServicesRunning = @(0, 2) + $(if ($c.guard) { 1 }) } } }
            'Win32_Service' {
                if ($b['Filter'] -eq "Name='MSSQLSERVER'") { return [pscustomobject]@{ Name = 'MSSQLSERVER'; StartName = $Script:M.sql.account } }
            }
            'MicrosoftDNS_Zone' {
                if ($b['Namespace'] -eq 'root\MicrosoftDNS' -and $b['Filter'] -match "^Name='(.+)'$") {
                    if ($Script:M.zones.ContainsKey($Matches[1])) { [pscustomobject]@{ Class = 'MicrosoftDNS_Zone'; Name = $Matches[1] } }
                    return
                }
            }
            '__NAMESPACE' { if ($b['Namespace'] -eq 'root\Microsoft\SqlServer') { return [pscustomobject]@{ Name = 'ComputerManagement16' }, [pscustomobject]@{ Name = 'ServerEvents' } | Sort-Object Name } }
            'SqlService' {
                if ($b['Namespace'] -eq 'root\Microsoft\SqlServer\ComputerManagement16' -and $b['Filter'] -eq "ServiceName='MSSQLSERVER'") {
                    return [pscustomobject]@{ Class = 'SqlService'; ServiceName = 'MSSQLSERVER' } }
            }
        }
        throw "the model has no $($b['ClassName']) $($b['Filter']) in '$($b['Namespace'])'"
    }
    'Invoke-CimMethod' = { param($b)
        if ($b['InputObject'].Class -eq 'MicrosoftDNS_Zone' -and $b['MethodName'] -eq 'UpdateFromDS') { $Script:M.world.read = $b['InputObject'].Name; return }
        if ($b['InputObject'].Class -ne 'SqlService' -or $b['MethodName'] -ne 'SetServiceAccount') { throw 'the model has no such method' }
        $wanted = @($b['Arguments'].Keys | Sort-Object) -join ','
        if ($wanted -ne 'ServiceStartName,ServiceStartPassword') { throw "SetServiceAccount takes ServiceStartName and ServiceStartPassword, not $wanted" }
        $Script:M.sql.account = $b['Arguments'].ServiceStartName
        Step
        [pscustomobject]@{ ReturnValue = 0 }
    }
    'Rename-Computer' = { param($b)
        $Script:M.computer.next = $b['NewName']
        Set-Value 'HKLM:\SYSTEM\CurrentControlSet\Control\ComputerName\ComputerName' 'ComputerName' 'String' $b['NewName']
        Step
    }
    'Add-Computer' = { param($b)
        if ($Script:M.computer.name -ne $Script:M.computer.next) { throw 'the machine has a name to take first' }
        $Script:M.computer.domain = $b['DomainName']; $Script:M.computer.member = $true; $Script:M.computer.role = $Script:M.computer.role + 1
        Set-Value 'HKLM:\SYSTEM\CurrentControlSet\Services\Tcpip\Parameters' 'NV Domain' 'String' $b['DomainName']
        Step
    }
    'Get-LocalUser' = { param($b)
        foreach ($each in @($Script:M.local.Keys)) { [pscustomobject]@{ Name = $each; SID = $Script:M.local[$each].sid; Enabled = $Script:M.local[$each].enabled } } }
    'Set-LocalUser' = { param($b)
        foreach ($each in @($Script:M.local.Values)) { if ($each.sid -eq $b['SID']) { $each.password = (New-Object pscredential 'x', $b['Password']).GetNetworkCredential().Password; Step; return } }
        throw 'no such user' }
    'Enable-LocalUser' = { param($b)
        foreach ($each in @($Script:M.local.Values)) { if ($each.sid -eq $b['SID']) { $each.enabled = $true; Step; return } }
        throw 'no such user' }
    'Get-LocalGroupMember' = { param($b) foreach ($each in @($Script:M.groups["$($b['SID'])"])) { if ($each) { [pscustomobject]@{ Name = $each } } } }
    'Add-LocalGroupMember' = { param($b)
        if (@($Script:M.groups["$($b['SID'])"]) -contains "$($b['Member'])") { throw 'is a member already' }
        $Script:M.groups["$($b['SID'])"] = @(@($Script:M.groups["$($b['SID'])"]) + "$($b['Member'])" | Where-Object { $_ }); Step }

    'Get-WindowsFeature' = { param($b)
        foreach ($each in $b['Name']) {
            # Windows would say nothing, and nobody would see that the feature is missing.
            if ($Script:Facts.features.names -cnotcontains $each) { throw "no feature has the name '$each' in our facts" }
            $state = if ($Script:M.features.ContainsKey($each)) { 'Installed' } else { 'Available' }
            [pscustomobject]@{ Name = $each; InstallState = $state; Installed = $state -eq 'Installed' }
        } }
    'Install-WindowsFeature' = { param($b)
        foreach ($each in $b['Name']) {
            $Script:M.features[$each] = 'Installed'
            if ($each -eq 'Web-Server') {
                Write-File $Host32 $Start; Add-Folder 'C:\inetpub\wwwroot'; $Script:M.services.W3SVC = @{ status = 'Running' }; $Script:M.sites['Default Web Site'] = 'Started' }
            if ($each -eq 'AD-Domain-Services') { $Script:M.services.NTDS = @{ status = 'Stopped' } }
        }
        Step
        [pscustomobject]@{ Success = $true; RestartNeeded = 'No' } }
    'Install-ADDSForest' = { param($b)
        if (-not $Script:M.features.ContainsKey('AD-Domain-Services')) { throw 'the role is not installed' }
        if (-not $Script:M.local.Administrator.enabled) { throw 'the local administrator has no password' }
        if ($Script:M.computer.name -ne $Script:M.computer.next) { throw 'the machine has a name to take first' }
        Set-Value 'HKLM:\SYSTEM\CurrentControlSet\Control\ProductOptions' 'ProductType' 'String' 'LanmanNT'
        Set-Value 'HKLM:\SYSTEM\CurrentControlSet\Services\Tcpip\Parameters' 'NV Domain' 'String' $b['DomainName']
        $Script:M.computer.netbios = $b['DomainNetbiosName']
        Step
        $Script:M.services.Netlogon = @{ status = 'Stopped' }
        if ($Script:M.world.noForest) { throw "Verification of prerequisites for Domain Controller promotion failed. $($Script:M.world.noForest)" }
        [pscustomobject]@{ Status = 'Success' } }
    'Get-KdsRootKey' = { param($b) foreach ($each in @($Script:M.rootKeys)) { [pscustomobject]@{ KeyId = $each } } }
    'Add-KdsRootKey' = { param($b)
        if ($b['EffectiveTime'] -gt (Get-Date).AddHours(-9.9)) { throw 'the key counts only after ten hours' }
        $Script:M.rootKeys = @('a key'); Step; 'a key' }
    'Get-ADUser' = { param($b)
        if ($Script:M.computer.role -ne 5 -or $Script:Starting) { throw 'no domain controller answers' }
        if ($b['Filter'] -notmatch "^SamAccountName -eq '([^']+)'$") { throw 'the model does not know this filter' }
        if ($Matches[1] -eq 'Administrator') { return [pscustomobject]@{ SamAccountName = $Matches[1]; SID = $Script:M.local.Administrator.sid } }
        $user = $Script:M.accounts[$Matches[1]]
        if ($null -ne $user) { [pscustomobject]@{ SamAccountName = $Matches[1]; ServicePrincipalNames = @($user.spns) } } }
    'New-ADUser' = { param($b)
        if ($Script:M.accounts.ContainsKey($b['SamAccountName'])) { throw 'The specified account already exists' }
        $Script:M.accounts[$b['SamAccountName']] = @{
            enabled = $b['Enabled']; encryption = @($b['KerberosEncryptionType']); forever = $b['PasswordNeverExpires']; spns = @()
            password = (New-Object pscredential 'x', $b['AccountPassword']).GetNetworkCredential().Password }
        Step }
    'Set-ADUser' = { param($b)
        $user = $Script:M.accounts["$($b['Identity'])"]
        foreach ($each in @($b['ServicePrincipalNames'].Keys)) { if ($each -ne 'Add') { throw "the model does not $each names" } }
        $user.spns = @(@($user.spns) + @($b['ServicePrincipalNames'].Add)); Step }

    # A host of Hyper-V: its switches, and its virtual machines with the switches that they have adapters on.
    'Get-VM' = { param($b)
        foreach ($each in @($Script:M.world.vms)) { if ("$($each.id)" -eq "$($b['Id'])") { return [pscustomobject]@{ Name = $each.name; Generation = $each.generation; State = $each.state } } }
        throw "Hyper-V was unable to find a virtual machine with id $($b['Id'])." }
    'Get-VMSwitch' = { param($b) foreach ($each in @($Script:M.world.switches)) { if (@($b['SwitchType']) -contains $each.type) { [pscustomobject]@{ Name = $each.name } } } }
    'New-VMSwitch' = { param($b) $Script:M.world.switches = @($Script:M.world.switches) + @{ name = $b['Name']; type = "$($b['SwitchType'])" }; Step }
    'Get-VMNetworkAdapter' = { param($b)
        $vm = @($Script:M.world.vms | Where-Object { $_.name -eq $b['VM'][0].Name })[0]
        foreach ($each in @($vm.adapters)) { [pscustomobject]@{ Name = $each.name; SwitchName = $each.switch; VMName = $vm.name } } }
    'Add-VMNetworkAdapter' = { param($b)
        $vm = @($Script:M.world.vms | Where-Object { $_.name -eq $b['VM'][0].Name })[0]
        if ($vm.generation -eq 1 -and $vm.state -ne 'Off') { throw 'The operation cannot be performed while the virtual machine is in its current state.' }
        Test-Switch $b['SwitchName']
        $vm.adapters = @($vm.adapters) + @{ name = $b['Name']; switch = $b['SwitchName'] }; Step }
    'Connect-VMNetworkAdapter' = { param($b)
        $given = $b['VMNetworkAdapter'][0]
        Test-Switch $b['SwitchName']
        $vm = @($Script:M.world.vms | Where-Object { $_.name -eq $given.VMName })[0]
        @($vm.adapters | Where-Object { $_.name -eq $given.Name })[0].switch = $b['SwitchName']; Step }

    'Get-NetIPAddress' = { param($b)
        $found = @(foreach ($each in @($Script:M.adapters.Keys | Sort-Object)) {
                $one = $Script:M.adapters[$each]
                if (-not $one.address) { continue }
                if ($b.ContainsKey('IPAddress') -and @($b['IPAddress']) -notcontains $one.address) { continue }
                [pscustomobject]@{ InterfaceAlias = $each; IPAddress = $one.address } })
        if (-not $found.Count -and $b.ContainsKey('IPAddress')) { return Fail 'No matching MSFT_NetIPAddress objects found' 'CmdletizationQuery_NotFound' $b }
        $found }
    'New-NetIPAddress' = { param($b)
        $one = $Script:M.adapters["$($b['InterfaceAlias'])"]; $one.address = "$($b['IPAddress'])"; $one.length = [int]$b['PrefixLength']; Step }
    'Get-NetRoute' = { param($b)
        if (@($b['DestinationPrefix']) -ne '0.0.0.0/0') { throw 'the model has a way to the outside alone' }
        [pscustomobject]@{ InterfaceAlias = 'Ethernet' } }
    'Get-NetAdapter' = { param($b) foreach ($each in @($Script:M.adapters.Keys | Sort-Object)) { [pscustomobject]@{ Name = $each; Status = $(if ($Script:M.adapters[$each].off) { 'Disconnected' } else { 'Up' }) } } }
    'Get-DnsClientServerAddress' = { param($b)
        foreach ($each in @(@($Script:M.adapters.Keys) + 'Loopback Pseudo-Interface 1' | Sort-Object)) {
            $one = if ($each -like 'Loopback*') { @{ servers = @() } } else { $Script:M.adapters[$each] }
            [pscustomobject]@{ InterfaceAlias = $each; ServerAddresses = @($one.servers) } } }
    'Set-DnsClientServerAddress' = { param($b) $Script:M.adapters["$($b['InterfaceAlias'])"].servers = @($b['ServerAddresses']); Step }
    'Get-DnsClient' = { param($b) [pscustomobject]@{ RegisterThisConnectionsAddress = $Script:M.adapters["$($b['InterfaceAlias'])"].registers } }
    'Set-DnsClient' = { param($b) $Script:M.adapters["$($b['InterfaceAlias'])"].registers = $b['RegisterThisConnectionsAddress']; Step }
    'Resolve-DnsName' = { param($b)
        if ($Script:M.world.domain) { [pscustomobject]@{ Name = $b['Name']; Type = $b['Type'] } } else { Fail 'DNS name does not exist' 'DNS_ERROR_RCODE_NAME_ERROR' $b } }
    'Get-DnsServerZone' = { param($b)
        if (-not $Script:M.zones.ContainsKey("$($b['Name'])")) { return Fail "The zone $($b['Name']) was not found on server." 'WIN32 9601' $b }
        [pscustomobject]@{ ZoneName = "$($b['Name'])" } }
    'Get-DnsServerResourceRecord' = { param($b)
        # Without -Node the names below come along, and below the zone's own are all.
        $below = if ($b['Node']) { $null } elseif ($b['Name'] -eq '@') { '*' } else { "*.$($b['Name'])" }
        $found = @($Script:M.zones[$b['ZoneName']] | Where-Object { ($_.name -eq $b['Name'] -or ($below -and $_.name -like $below)) -and $_.type -eq $b['RRType'] })
        if (-not $found.Count) { return Fail 'Failed to get the record' 'WIN32 9714' $b }
        foreach ($each in $found) { [pscustomobject]@{ HostName = $each.name; RecordData = [pscustomobject]@{ IPv4Address = $each.data } } } }
    'Add-DnsServerResourceRecordA' = { param($b)
        $null = $Script:M.zones[$b['ZoneName']].Add(@{ name = $b['Name']; type = 'A'; data = "$($b['IPv4Address'])" }); Step }
    'Remove-DnsServerResourceRecord' = { param($b)
        $zone = $Script:M.zones[$b['ZoneName']]
        foreach ($each in @($zone)) { if ($each.name -eq $b['Name'] -and $each.data -eq "$($b['RecordData'])") { $zone.Remove($each); Step; return } }
        throw 'no such record' }

    'Get-NetFirewallRule' = { param($b)
        $name = "$($b['Name'])"
        if ($Script:M.firewall.ContainsKey($name)) { [pscustomobject]@{ Name = $name } } else { Fail "No MSFT_NetFirewallRule objects found with property 'InstanceID' equal to '$name'" 'CmdletizationQuery_NotFound_InstanceID' $b } }
    'Get-NetFirewallPortFilter' = { param($b) $ports = @($Script:M.firewall["$($b['AssociatedNetFirewallRule'].Name)"]); [pscustomobject]@{ LocalPort = $(if ($ports.Count -eq 1) { $ports[0] } else { $ports }) } }
    'New-NetFirewallRule' = { param($b)
        if ($Script:M.firewall.ContainsKey($b['Name'])) { throw 'Cannot create a file when that file already exists.' }
        if ("$($b['Direction']) $($b['Protocol']) $($b['Action'])" -ne 'Inbound TCP Allow') { throw 'the model opens TCP ports' }
        $Script:M.firewall[$b['Name']] = @($b['LocalPort']); Step }
    'Remove-NetFirewallRule' = { param($b) $Script:M.firewall.Remove("$($b['Name'])"); Step }

    'Get-Service' = { param($b)
        foreach ($each in @($b['Name'])) {
            if ($Script:M.services.ContainsKey($each)) { [pscustomobject]@{ Name = $each; Status = $(if ($Script:Starting -gt 1) { 'StartPending' } else { $Script:M.services[$each].status }) } }
            else { Fail "Cannot find any service with service name '$each'." 'NoServiceFoundForGivenName' $b } } }
    # Nobody waits here, but what takes time goes on meanwhile.
    'Start-Sleep' = { param($b) if ($Script:Starting) { $Script:Starting-- } }
    'Start-Service' = { param($b) $Script:M.services["$($b['Name'])"].status = 'Running'; Step }
    'Stop-Service' = { param($b) $Script:M.services["$($b['Name'])"].status = 'Stopped'; Step }

    'Get-WSManInstance' = { param($b)
        if ("$($b['ResourceURI'])" -ne 'winrm/config/Listener') { throw 'the model has listeners alone' }
        if ($b['Enumerate']) {
            # WinRM over HTTP is what a box comes with.
            [pscustomobject]@{ Address = '*'; Transport = 'HTTP'; Hostname = ''; CertificateThumbprint = '' }
            foreach ($each in @($Script:M.listeners.Keys)) { [pscustomobject](@{ Address = '*'; Transport = $each } + $Script:M.listeners[$each]) }
            return
        }
        $found = $Script:M.listeners["$($b['SelectorSet'].Transport)"]
        # It ends whoever asked, whatever -ErrorAction says.
        if ($null -eq $found) { throw 'The service cannot find the resource identified by the resource URI and selectors.' }
        [pscustomobject]$found }
    'New-WSManInstance' = { param($b)
        if ("$($b['ResourceURI'])" -ne 'winrm/config/Listener' -or $b['SelectorSet'].Address -ne '*') { throw 'the model has listeners on every address' }
        if ($Script:M.listeners.ContainsKey($b['SelectorSet'].Transport)) { throw 'The listener exists already' }
        if (-not $Script:M.certificates.My.ContainsKey($b['ValueSet'].CertificateThumbprint)) { throw 'no such certificate' }
        $Script:M.listeners[$b['SelectorSet'].Transport] = Copy-Deep $b['ValueSet']; Step }
    'Set-WSManInstance' = { param($b) $Script:M.listeners[$b['SelectorSet'].Transport] = Copy-Deep $b['ValueSet']; Step }
    'Import-Certificate' = { param($b)
        $store = "$($b['CertStoreLocation'])".Split('\')[-1]
        $inner = ($Script:M.files[$b['FilePath']] -split "`r?`n" | Where-Object { $_ -and $_ -notlike '-----*' }) -join ''
        $own = New-Object System.Security.Cryptography.X509Certificates.X509Certificate2 (, [Convert]::FromBase64String($inner))
        $Script:M.certificates[$store][$own.Thumbprint] = $own.Subject; Step }

    'Test-Path' = { param($b)
        $path = Get-OnlyPath $b
        if ($path -like 'HKLM:*') { return $Script:M.registry.ContainsKey((Split-Key $path)) }
        if ($path -match '^Cert:\\LocalMachine\\(\w+)\\(\w+)$') { return $Script:M.certificates[$Matches[1]].ContainsKey($Matches[2]) }
        $Script:M.files.ContainsKey($path) -or $Script:M.folders.ContainsKey($path) }
    'New-Item' = { param($b)
        $path = Get-OnlyPath $b
        if ($path -like 'HKLM:*') { $Script:M.registry[(Split-Key $path)] = New-Table; Step; return }
        if ($b['ItemType'] -ne 'Directory') { throw 'the model makes folders and registry keys' }
        Add-Folder $path; Step }
    'Remove-Item' = { param($b)
        $path = Get-OnlyPath $b
        if ($Script:M.files.ContainsKey($path)) { $Script:M.files.Remove($path); Step; return }
        if (-not $Script:M.folders.ContainsKey($path)) { throw "Cannot find path '$path'" }
        foreach ($table in $Script:M.files, $Script:M.folders, $Script:M.acl) {
            foreach ($each in @($table.Keys)) { if ($each -eq $path -or $each -like "$path\*") { $table.Remove($each) } } }
        Step }
    'Move-Item' = { param($b)
        $from = Get-OnlyPath $b; $to = "$($b['Destination'])"
        if ($Script:M.files.ContainsKey($from)) { $text = $Script:M.files[$from]; $Script:M.files.Remove($from); Write-File $to $text; Step; return }
        if (-not $Script:M.folders.ContainsKey($from)) { throw "Cannot find path '$from'" }
        if ($Script:M.folders.ContainsKey($to)) { throw 'the model moves no folder into another' }
        foreach ($table in $Script:M.files, $Script:M.folders) {
            foreach ($each in @($table.Keys)) {
                if ($each -ne $from -and $each -notlike "$from\*") { continue }
                $table["$to$($each.Substring($from.Length))"] = $table[$each]; $table.Remove($each) } }
        Step }
    'Invoke-WebRequest' = { param($b)
        $found = $Script:M.world.web["$($b['Uri'])"]
        if ($null -eq $found) { throw "The remote name could not be resolved: '$($b['Uri'])'" }
        if (-not $b['UseBasicParsing']) { throw 'no Internet Explorer was ever started here: -UseBasicParsing is wanted' }
        Write-File $b['OutFile'] $found; Step }
    'Get-AuthenticodeSignature' = { param($b)
        $path = Get-OnlyPath $b
        if (-not $Script:M.files.ContainsKey($path)) { throw "File $path was not found." }
        if ($Script:M.files[$path] -notmatch '^signed by ([^:]+): ') { return [pscustomobject]@{ Status = 'NotSigned'; SignerCertificate = $null } }
        [pscustomobject]@{ Status = 'Valid'; SignerCertificate = [pscustomobject]@{ Subject = "CN=$($Matches[1]), O=$($Matches[1]), L=Redmond, S=Washington, C=US" } } }
    'Get-Content' = { param($b)
        $path = Get-OnlyPath $b
        if (-not $Script:M.files.ContainsKey($path)) { throw "Cannot find path '$path'" }
        # Each text has notes of where it is from on it, as Windows' has.
        foreach ($each in @(if ($b['Raw']) { $Script:M.files[$path] } else { $Script:M.files[$path] -split "`r?`n" })) {
            Add-Member -InputObject $each -NotePropertyName PSPath -NotePropertyValue $path -PassThru } }
    'Set-Content' = { param($b)
        $path = Get-OnlyPath $b
        if (-not $Script:M.folders.ContainsKey($path.Substring(0, $path.LastIndexOf('\')))) { throw "Could not find a part of the path '$path'" }
        $Script:M.files[$path] = (@($b['Value']) -join "`r`n") + $(if ($b['NoNewline']) { '' } else { "`r`n" }); Step }
    'Get-ChildItem' = { param($b)
        $path = Get-OnlyPath $b
        if ($path -match '^Cert:\\LocalMachine\\(\w+)$') {
            $store = $Script:M.certificates[$Matches[1]]
            foreach ($each in @($store.Keys | Sort-Object)) {
                [pscustomobject]@{ Thumbprint = $each; Subject = $store[$each]; Issuer = 'CN=doublehop lab authority'; HasPrivateKey = $true; NotAfter = (Get-Date).AddDays(30) } }
            return
        }
        foreach ($each in @($Script:M.files.Keys | Sort-Object)) {
            if ($each -notlike "$path\*") { continue }
            $rest = $each.Substring($path.Length + 1)
            if (-not $b['Recurse'] -and $rest -like '*\*') { continue }
            $name = $each.Split('\')[-1]
            if ($b['Filter'] -and $name -notlike $b['Filter']) { continue }
            $written = if ($Script:M.world.written) { $Script:M.world.written[$each] }
            [pscustomobject]@{ Name = $name; FullName = $each; LastWriteTime = $(if ($written) { [datetime]::Parse($written) } else { Get-Date }) } } }
    'Get-ItemProperty' = { param($b)
        $key = $Script:M.registry[(Split-Key (Get-OnlyPath $b))]
        if ($null -eq $key -or -not $key.Count) { return }
        $told = [ordered]@{}
        foreach ($each in @($key.Keys)) { $told[$each] = $key[$each].value }
        [pscustomobject]$told }
    'New-ItemProperty' = { param($b)
        $path = Split-Key (Get-OnlyPath $b)
        if (-not $Script:M.registry.ContainsKey($path)) { throw "Cannot find path '$path'" }
        if ($b['PropertyType'] -notin 'String', 'ExpandString', 'Binary', 'DWord', 'MultiString', 'QWord') { throw "no such type of value: $($b['PropertyType'])" }
        Set-Value $path $b['Name'] $b['PropertyType'] $b['Value']; Step }
    'Remove-ItemProperty' = { param($b) $Script:M.registry[(Split-Key (Get-OnlyPath $b))].Remove("$($b['Name'])"); Step }

    'Get-WebConfigurationProperty' = { param($b)
        Test-Place $b
        $xml = Get-Configuration
        $filter = Get-Filter $b
        $name = @($b['Name'])[0]
        if ($name -eq 'Collection') {
            foreach ($each in (Get-Entries $xml $b $filter)) {
                $values = $each -split ' '; $at = 0; $entry = [ordered]@{}
                foreach ($key in $Collections[(Get-Kind $filter)]) { $entry[$key] = $values[$at++] }
                [pscustomobject]$entry }
            return
        }
        $null = if (-not $Script:Schema[(Get-Kind $filter)].ContainsKey($name)) { throw "'$(Get-Kind $filter)' has no attribute '$name'" }
        $node = Find-Element (Get-Root $xml $b) $filter
        # An entry of a collection that is not there is nothing; an element that is not written has its defaults.
        if ($null -eq $node) {
            $stop = $filter.LastIndexOf(']')
            if ($stop -ge 0 -and $null -eq (Find-Element (Get-Root $xml $b) $filter.Substring(0, $stop + 1))) { return }
        }
        $text = if ($null -ne $node) { $node.GetAttribute($name) } else { '' }
        $kind = $Script:Schema[(Get-Kind $filter)][$name]
        # Words of an enumeration come as they are, everything else inside a ConfigurationAttribute.
        if ($kind -is [System.Collections.IList]) { return $text }
        if ($kind -eq 'bool') { return [pscustomobject]@{ Name = $name; Value = $text -eq 'true' } }
        [pscustomobject]@{ Name = $name; Value = (Unprotect $text) } }
    'Set-WebConfigurationProperty' = { param($b)
        $xml = Get-Configuration
        $filter = Get-Filter $b
        $text = Test-Attribute (Get-Kind $filter) $b['Name'] $b['Value']
        $node = Find-Element (Get-Root $xml $b -Make) $filter -Make
        $node.SetAttribute($b['Name'], $(if ($b['Name'] -eq 'password') { Protect $text } else { $text }))
        Save-Configuration $xml }
    'Add-WebConfigurationProperty' = { param($b)
        $xml = Get-Configuration
        $filter = Get-Filter $b
        $keys = $Collections[(Get-Kind $filter)]
        if ($b['Name'] -ne '.' -or -not $keys) { throw "the model knows no collection '$filter' '$($b['Name'])'" }
        $node = Find-Element (Get-Root $xml $b -Make) $filter -Make
        $name = if ((Get-Kind $filter) -eq 'bindings') { 'binding' } else { 'add' }
        $new = $node.AppendChild($xml.CreateElement($name))
        $kind = if ($name -eq 'binding') { 'binding' } else { "$(Get-Kind $filter)/add" }
        foreach ($key in @($b['Value'].Keys | Sort-Object { [array]::IndexOf(@($keys), $_) }, { $_ })) { $new.SetAttribute($key, (Test-Attribute $kind $key $b['Value'][$key])) }
        $null = Get-Entries $xml $b $filter
        Save-Configuration $xml }
    'Remove-WebConfigurationProperty' = { param($b)
        $xml = Get-Configuration
        $filter = Get-Filter $b
        $keys = @($Collections[(Get-Kind $filter)])
        $id = @($keys | ForEach-Object { $b['AtElement'][$_] }) -join ' '
        if ((Get-Entries $xml $b $filter) -notcontains $id) { throw "no entry '$id' in $filter" }
        $node = Find-Element (Get-Root $xml $b -Make) $filter -Make
        $own = @($node.SelectNodes('*') | Where-Object { $one = $_; $_.get_Name() -notin 'clear', 'remove' -and (@($keys | ForEach-Object { $one.GetAttribute($_) }) -join ' ') -eq $id })
        if ($own.Count) { $null = $node.RemoveChild($own[0]) }
        else { foreach ($key in $keys) { $node.AppendChild($xml.CreateElement('remove')).SetAttribute($key, $b['AtElement'][$key]) } }
        # A site that listens nowhere does not run. Whether it does so by itself as soon as it may is not published.
        if ($filter -match "site\[@name='([^']+)'\]/bindings$" -and -not $node.HasChildNodes) { $Script:M.sites[$Matches[1]] = 'Stopped' }
        Save-Configuration $xml }
    'Clear-WebConfiguration' = { param($b)
        $xml = Get-Configuration
        $root = Get-Root $xml $b
        $node = if ($null -ne $root) { Find-Element $root (Get-Filter $b) }
        if ($null -eq $node -or -not $b.ContainsKey('Location')) { throw "nothing to clear at $($b['Location']) $($b['Filter'])" }
        while ($node -ne $xml.DocumentElement -and -not $node.HasChildNodes -or $node.ParentNode.get_Name() -eq 'authentication') {
            $parent = $node.ParentNode
            $null = $parent.RemoveChild($node)
            $node = $parent
            if ($node.HasChildNodes) { break }
        }
        Save-Configuration $xml }
    'New-WebAppPool' = { param($b)
        $xml = Get-Configuration
        $pools = $xml.SelectSingleNode('/configuration/system.applicationHost/applicationPools')
        $new = $pools.InsertBefore($xml.CreateElement('add'), $pools.SelectSingleNode('applicationPoolDefaults'))
        $new.SetAttribute('name', $b['Name'])
        $null = $new.AppendChild($xml.CreateElement('processModel'))
        Save-Configuration $xml
        [pscustomobject]@{ name = $b['Name'] } }
    'Remove-WebAppPool' = { param($b)
        $xml = Get-Configuration
        $node = $xml.SelectSingleNode("/configuration/system.applicationHost/applicationPools/add[@name='$($b['Name'])']")
        $null = $node.ParentNode.RemoveChild($node); Save-Configuration $xml }
    'New-Website' = { param($b)
        $xml = Get-Configuration
        $sites = $xml.SelectSingleNode('/configuration/system.applicationHost/sites')
        if ($sites.SelectSingleNode("site[@id='$($b['Id'])']")) { throw 'another site has this number' }
        if (-not $Script:M.folders.ContainsKey($b['PhysicalPath'])) { throw "Parameter 'PhysicalPath' should point to existing path." }
        $new = $sites.InsertBefore($xml.CreateElement('site'), $sites.SelectSingleNode('siteDefaults'))
        $new.SetAttribute('name', $b['Name']); $new.SetAttribute('id', "$($b['Id'])")
        $own = $new.AppendChild($xml.CreateElement('application')); $own.SetAttribute('path', '/')
        $folder = $own.AppendChild($xml.CreateElement('virtualDirectory')); $folder.SetAttribute('path', '/'); $folder.SetAttribute('physicalPath', $b['PhysicalPath'])
        $first = $new.AppendChild($xml.CreateElement('bindings')).AppendChild($xml.CreateElement('binding'))
        $first.SetAttribute('protocol', 'http'); $first.SetAttribute('bindingInformation', '*:80:')
        $Script:M.sites[$b['Name']] = 'Started'
        Save-Configuration $xml
        [pscustomobject]@{ name = $b['Name'] } }
    'Remove-Website' = { param($b)
        $xml = Get-Configuration
        $node = $xml.SelectSingleNode("/configuration/system.applicationHost/sites/site[@name='$($b['Name'])']")
        $null = $node.ParentNode.RemoveChild($node); $Script:M.sites.Remove("$($b['Name'])"); Save-Configuration $xml }
    'New-WebApplication' = { param($b)
        $xml = Get-Configuration
        $site = $xml.SelectSingleNode("/configuration/system.applicationHost/sites/site[@name='$($b['Site'])']")
        $new = $site.InsertBefore($xml.CreateElement('application'), $site.SelectSingleNode('bindings'))
        $new.SetAttribute('path', "/$($b['Name'])"); $new.SetAttribute('applicationPool', $b['ApplicationPool'])
        $folder = $new.AppendChild($xml.CreateElement('virtualDirectory')); $folder.SetAttribute('path', '/'); $folder.SetAttribute('physicalPath', $b['PhysicalPath'])
        Save-Configuration $xml
        [pscustomobject]@{ name = $b['Name'] } }
    'Remove-WebApplication' = { param($b)
        $xml = Get-Configuration
        $node = $xml.SelectSingleNode("/configuration/system.applicationHost/sites/site[@name='$($b['Site'])']/application[@path='/$($b['Name'])']")
        $null = $node.ParentNode.RemoveChild($node); Save-Configuration $xml }
    'Get-WebAppPoolState' = { param($b) [pscustomobject]@{ Value = 'Started' } }
    'Restart-WebAppPool' = { param($b) $Script:Anew += @($b['Name']) }
    'Start-WebAppPool' = { param($b) }
    'Get-WebsiteState' = { param($b) [pscustomobject]@{ Value = $Script:M.sites["$($b['Name'])"] } }
    'Start-Website' = { param($b) $Script:M.sites["$($b['Name'])"] = 'Started'; Step }
    'Get-WebConfigurationBackup' = { param($b) foreach ($each in @($Script:M.backups.Keys)) { [pscustomobject]@{ Name = $each } } }
    'Backup-WebConfiguration' = { param($b)
        if ($Script:M.backups.ContainsKey($b['Name'])) { throw 'a backup of this name exists' }
        $Script:M.backups[$b['Name']] = $Script:M.files[$Host32]; Step; [pscustomobject]@{ Name = $b['Name'] } }
    'Restore-WebConfiguration' = { param($b)
        $Script:M.files[$Host32] = $Script:M.backups[$b['Name']]
        $Script:M.sites.Clear()
        foreach ($each in (Get-Configuration).SelectNodes('/configuration/system.applicationHost/sites/site')) { $Script:M.sites[$each.GetAttribute('name')] = 'Started' }
        Step }
    'Remove-WebConfigurationBackup' = { param($b) $Script:M.backups.Remove("$($b['Name'])"); Step }

    'New-ScheduledTaskAction' = { param($b) [pscustomobject]@{ Execute = $b['Execute']; Arguments = $b['Argument'] } }
    'Register-ScheduledTask' = { param($b)
        $Script:M.tasks[$b['TaskName']] = @{ user = $b['User']; execute = $b['Action'][0].Execute; arguments = $b['Action'][0].Arguments; state = 'Ready' }; Step
        [pscustomobject]@{ TaskName = $b['TaskName'] } }
    'New-ScheduledTaskSettingsSet' = { param($b)
        if (-not ($b['AllowStartIfOnBatteries'] -and $b['DontStopIfGoingOnBatteries'])) { throw 'the model is on a battery, and no task would start' }
        'settings' }
    'Start-ScheduledTask' = { param($b)
        $task = $Script:M.tasks["$($b['TaskName'])"]
        if ($Script:Programs.ContainsKey($task.execute)) {
            # A task of the machine's own that runs a program.
            if ($task.user -ne 'SYSTEM') { throw 'the model runs programs as the machine' }
            $null = Invoke-StubProgram $task.execute @($task.arguments -split ' ')
            $task.result = $global:LASTEXITCODE; $global:LASTEXITCODE = 0
            $Script:Queued = $true
            return
        }
        if ($task.arguments -notmatch '-InputPath "([^"]+)" -OutputPath "([^"]+)"$') { throw 'the task is not as expected' }
        $Script:M.world.asked = $Script:M.files[$Matches[1]]
        $Script:M.files[$Matches[2]] = $Script:M.world.answer; Step }
    'Get-ScheduledTask' = { param($b)
        $task = $Script:M.tasks["$($b['TaskName'])"]
        if ($null -eq $task) { return Fail 'The system cannot find the file specified.' 'HRESULT 0x80070002' $b }
        [pscustomobject]@{ TaskName = "$($b['TaskName'])"; State = $task.state } }
    'Get-ScheduledTaskInfo' = { param($b)
        # Asked for, and not begun yet.
        if ($Script:Queued) { $Script:Queued = $false; return [pscustomobject]@{ LastTaskResult = [uint32]0x41325 } }
        [pscustomobject]@{ LastTaskResult = [uint32]$Script:M.tasks["$($b['TaskName'])"].result } }
    'Unregister-ScheduledTask' = { param($b) $Script:M.tasks.Remove("$($b['TaskName'])"); Step }

    'Get-WinEvent' = { param($b)
        $filter = $b['FilterHashtable'][0]
        foreach ($key in $filter.Keys) { if ($key -notin 'LogName', 'ProviderName', 'Id', 'StartTime', 'EndTime', 'Level', 'Data', 'Path', 'Keywords', 'UserID', 'SuppressHashFilter') { throw "no such filter: $key" } }
        $found = @($Script:M.events | Where-Object {
                $_.log -eq $filter.LogName -and (-not $filter.ContainsKey('ProviderName') -or $_.provider -eq $filter.ProviderName) -and
                (-not $filter.ContainsKey('Id') -or @($filter.Id) -contains $_.id) -and [datetime]::Parse($_.time) -ge $filter.StartTime } | ForEach-Object {
                $told = [pscustomobject]@{ LogName = $_.log; Id = $_.id; ProviderName = $_.provider; TimeCreated = [datetime]::Parse($_.time); Xml = $_.xml; Message = $_.message }
                $told | Add-Member -MemberType ScriptMethod -Name ToXml -Value { $this.Xml } -PassThru })
        if (-not $found.Count) { return Fail 'No events were found that match the specified selection criteria.' 'NoMatchingEventsFound,Microsoft.PowerShell.Commands.GetWinEventCommand' $b }
        $found }
}

function ConvertTo-Json {
    # The engine's own, but for what Windows PowerShell writes as an object where later ones write text: text with notes on it.
    param([Parameter(ValueFromPipeline = $true)][object]$InputObject, [int]$Depth = 2, [switch]$Compress)
    process {
        Test-Plain $InputObject
        & $Engine -InputObject $InputObject -Depth $Depth -Compress:$Compress
    }
}
$Engine = $ExecutionContext.InvokeCommand.GetCommand('ConvertTo-Json', 'Cmdlet')

function Test-Plain($Value) {
    if ($Value -is [string]) {
        if (@($Value.PSObject.Properties | Where-Object { $_.MemberType -eq 'NoteProperty' }).Count) { throw "Windows PowerShell would write an object for the text '$Value'" }
        return
    }
    if ($Value -is [System.Collections.IDictionary]) { foreach ($each in $Value.Values) { Test-Plain $each }; return }
    if ($Value -is [System.Collections.IEnumerable]) { foreach ($each in $Value) { Test-Plain $each }; return }
    if ($Value -is [System.Management.Automation.PSCustomObject]) { foreach ($each in $Value.PSObject.Properties) { Test-Plain $each.Value } }
}
