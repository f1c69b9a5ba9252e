#Requires -Version 5.1
# Brings the machine to what the topology says of it: the scripts of its role, in order, as far as they get.
[CmdletBinding()]
param([string]$InputPath, [object]$Document)
. "$PSScriptRoot\common.ps1"
$Document = Read-Document $InputPath $Document
$scripts = @{
    'domain-controller' = 'rename', 'address', 'promote', 'dns-client', 'dns-server', 'sql-service-account',
        'domain-sid', 'audit', 'kerberos-logging', 'certify', 'winrm'
    # What is fetched comes before the domain controller is asked for names: it may not know those of the outside.
    'front-end' = 'generalize', 'rename', 'address', 'credential-guard', 'iis', 'hosting-bundle', 'dns-client', 'join', 'audit', 'kerberos-logging',
        'firewall', 'certify', 'winrm'
    'back-end' = 'generalize', 'rename', 'address', 'sql-media', 'dns-client', 'join', 'sql-server', 'sql-account', 'audit',
        'kerberos-logging', 'firewall', 'certify', 'winrm'
    'client' = 'generalize', 'rename', 'address', 'credential-guard', 'dns-client', 'join', 'zones', 'batch-logon', 'audit',
        'kerberos-logging', 'certify', 'winrm'
}
$machine = Get-Machine $Document
$role = Get-Field $machine 'role'
if (-not $scripts.ContainsKey($role)) { throw "no script knows the role '$role'" }

$needs = ''
$request = ''
$domainSid = ''
if (Test-RestartOwed) { $needs = 'restart' }
foreach ($each in @($scripts[$role] | Where-Object { -not $needs })) {
    $answer = & "$PSScriptRoot\$each.ps1" -Document $Document | ConvertFrom-Json
    foreach ($one in @($answer.changed)) { $null = $Changes.Add("${each}: $one") }
    if ($answer.domain_sid) { $domainSid = $answer.domain_sid }
    if ($answer.needs) {
        $needs = $answer.needs
        $request = $answer.request
        break
    }
}
Write-Document @{
    machine = Get-Field $machine 'name'; changed = @($Changes); needs = $needs; request = $request; domain_sid = $domainSid }
