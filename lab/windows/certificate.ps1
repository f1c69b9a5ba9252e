#Requires -Version 5.1
# Has a key made and certificates of the lab's authority taken: 'request', 'take' or 'trust' says which.
[CmdletBinding()]
param([string]$InputPath, [object]$Document)
. "$PSScriptRoot\common.ps1"
$Document = Read-Document $InputPath $Document
$folder = 'C:\doublehop\certificates'

function Add-Authority {
    # Trust the lab's authority, for this whole machine.
    param([string]$Pem)
    $authority = ConvertFrom-Pem $Pem
    if (Test-Path -LiteralPath "Cert:\LocalMachine\Root\$($authority.Thumbprint)") { return }
    Set-TextFile "$folder\authority.cer" $Pem 'ASCII'
    $null = Import-Certificate -FilePath "$folder\authority.cer" -CertStoreLocation 'Cert:\LocalMachine\Root'
    Add-Change "trusts $($authority.Subject)"
}

$request = Get-Field $Document 'request' $null
if ($null -ne $request) {
    $names = @(Get-Field $request 'names')
    $extension = @(for ($at = 0; $at -lt $names.Count; $at++) {
            $end = if ($at + 1 -lt $names.Count) { '&' } else { '' }
            "_continue_ = `"dns=$($names[$at])$end`""
        })
    $lines = @(
        '[Version]', 'Signature = "$Windows NT$"',
        '[NewRequest]', "Subject = `"CN=$(Get-Field $request 'host')`"", 'KeyAlgorithm = RSA', 'KeyLength = 2048',
        'ProviderName = "Microsoft RSA SChannel Cryptographic Provider"', 'ProviderType = 12', 'KeySpec = 1',
        'HashAlgorithm = sha256', 'MachineKeySet = true', 'Exportable = false', 'RequestType = PKCS10', 'KeyUsage = 0xa0',
        '[EnhancedKeyUsageExtension]', 'OID = 1.3.6.1.5.5.7.3.1',
        '[Extensions]', '2.5.29.17 = "{text}"') + $extension
    $wanted = ($lines -join "`r`n") + "`r`n"
    # A request of these names that is still to be answered is the answer; another one is made anew.
    $pending = "$folder\request.req"
    $stands = (Test-Path -LiteralPath $pending) -and (Test-Path -LiteralPath "$folder\request.inf") -and
        ((Get-Content -LiteralPath "$folder\request.inf" -Raw -Encoding ASCII) -ceq $wanted)
    if (-not $stands) {
        if (Test-Path -LiteralPath $pending) { Remove-Item -LiteralPath $pending }
        Set-TextFile "$folder\request.inf" $wanted 'ASCII'
        $null = Invoke-Program 'certreq.exe' @('-new', '-machine', '-q', '-f', "$folder\request.inf", $pending)
        Add-Change "key for $($names -join ', ')"
    }
    # As plain text: what Get-Content gives has notes on it, and Windows PowerShell writes those into the JSON too.
    Write-Document @{ changed = @($Changes); request = "$(Get-Content -LiteralPath $pending -Raw -Encoding ASCII)" }
    return
}

$take = Get-Field $Document 'take' $null
if ($null -ne $take) {
    Add-Authority (Get-Field $take 'authority')
    $pem = Get-Field $take 'certificate'
    $own = ConvertFrom-Pem $pem
    # The last one that was taken is the one for the sites.
    Set-TextFile "$folder\own.cer" $pem 'ASCII'
    if (-not (Test-Path -LiteralPath "Cert:\LocalMachine\My\$($own.Thumbprint)")) {
        $null = Invoke-Program 'certreq.exe' @('-accept', '-machine', '-q', "$folder\own.cer")
        Add-Change "certificate: $($own.Subject)"
    }
    if (Test-Path -LiteralPath "$folder\request.req") { Remove-Item -LiteralPath "$folder\request.req" }
    Write-Document @{ changed = @($Changes); thumbprint = $own.Thumbprint }
    return
}

Add-Authority (Get-Field (Get-Field $Document 'trust') 'authority')
Write-Document @{ changed = @($Changes) }
