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
$values = @{ Hostname = $fqdn; CertificateThumbprint = $thumbprint }
$listener = Get-WSManInstance -ResourceURI $uri -SelectorSet $selectors -ErrorAction SilentlyContinue
if ($null -eq $listener) {
    $null = New-WSManInstance -ResourceURI $uri -SelectorSet $selectors -ValueSet $values
    Add-Change "WinRM: HTTPS as $fqdn"
}
elseif ($listener.CertificateThumbprint -ne $thumbprint -or $listener.Hostname -ne $fqdn) {
    $null = Set-WSManInstance -ResourceURI $uri -SelectorSet $selectors -ValueSet $values
    Add-Change "WinRM: HTTPS as $fqdn with another certificate"
}
Open-Port 'doublehop-winrm' @('5986')
Step-Answer
