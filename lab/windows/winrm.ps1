#Requires -Version 5.1
# Has WinRM answer over HTTPS with the machine's certificate.
[CmdletBinding()]
param([string]$InputPath, [object]$Document)
. "$PSScriptRoot\common.ps1"
$Document = Read-Document $InputPath $Document
$fqdn = Get-Field (Get-Machine $Document) 'fqdn'
$pem = Get-Field (Get-Field $Document 'certificates' $null) 'machine' ''
$own = if ($pem) { ConvertFrom-Pem $pem } else { Get-OwnCertificate $fqdn }
if ($null -eq $own) { throw "this machine has no certificate for $fqdn" }
$thumbprint = $own.Thumbprint

$uri = 'winrm/config/Listener'
$selectors = @{ Address = '*'; Transport = 'HTTPS' }
# Among all there are: asking for one that is not there is an error that cannot be kept quiet.
$listener = @(Get-WSManInstance -ResourceURI $uri -Enumerate | Where-Object { $_.Transport -eq 'HTTPS' -and $_.Address -eq '*' })
$values = @{ Hostname = $fqdn; CertificateThumbprint = $thumbprint }
if (-not $listener.Count) {
    $null = New-WSManInstance -ResourceURI $uri -SelectorSet $selectors -ValueSet $values
    Add-Change "WinRM: HTTPS as $fqdn"
}
elseif ($listener[0].CertificateThumbprint -ne $thumbprint -or $listener[0].Hostname -ne $fqdn) {
    $null = Set-WSManInstance -ResourceURI $uri -SelectorSet $selectors -ValueSet $values
    Add-Change "WinRM: HTTPS as $fqdn with another certificate"
}
Open-Port 'doublehop-winrm' @('5986')
Step-Answer
