#Requires -Version 5.1
# Sees to it that the machine has a certificate of the lab's authority, and trusts that authority.
[CmdletBinding()]
param([string]$InputPath, [object]$Document)
. "$PSScriptRoot\common.ps1"
$Document = Read-Document $InputPath $Document
$fqdn = Get-Field (Get-Machine $Document) 'fqdn'
$certificates = Get-Field $Document 'certificates' $null
$pem = Get-Field $certificates 'machine' ''
if ($pem) {
    $take = New-Object PSObject -Property @{ certificate = $pem; authority = Get-Field $certificates 'authority' }
    $role = Get-Field (Get-Machine $Document) 'role'
    $restart = Invoke-Installer {
        $answer = & "$PSScriptRoot\certificate.ps1" -Document (New-Object PSObject -Property @{ take = $take }) | ConvertFrom-Json
        foreach ($each in @($answer.changed)) { Add-Change $each }
        # A domain controller looks for its LDAPS certificate when it starts (MS-ADTS 3.1.1.3.3.22).
        if ($Changes.Count -and $role -eq 'domain-controller') { 3010 } else { 0 }
    }
    return Step-Answer -Needs $(if ($restart) { 'restart' } else { '' })
}
if ($null -ne (Get-OwnCertificate $fqdn)) {
    # A run that ended between taking a certificate and this has left its request.
    $answered = 'C:\doublehop\certificates\request.req'
    if (Test-Path -LiteralPath $answered) { Remove-Item -LiteralPath $answered }
    return Step-Answer
}
$request = New-Object PSObject -Property @{ host = $fqdn; names = @($fqdn, (Get-Field (Get-Machine $Document) 'name')) }
$answer = & "$PSScriptRoot\certificate.ps1" -Document (New-Object PSObject -Property @{ request = $request }) | ConvertFrom-Json
foreach ($each in @($answer.changed)) { Add-Change $each }
Step-Answer -Needs 'certificate' -Request $answer.request
