using System;
using System.IO;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

/// The names that XSP takes from Mono's old TLS and that Mono has dropped. None of them does anything: XSP speaks TLS
/// only when it is asked to, and has to find these to start at all.
namespace Mono.Security.Protocol.Tls
{
    public enum SecurityProtocolType { Default = -1073741824 }

    public delegate AsymmetricAlgorithm PrivateKeySelectionCallback(X509Certificate certificate, string targetHost);

    public delegate bool CertificateValidationCallback(X509Certificate certificate, int[] errors);

    public abstract class SslStreamBase : MemoryStream
    {
        public int CipherStrength { get { throw new NotSupportedException(); } }
        public int KeyExchangeStrength { get { throw new NotSupportedException(); } }
    }

    public class SslServerStream : SslStreamBase
    {
        public SslServerStream(Stream stream, X509Certificate certificate, bool clientCertificate, bool ownsStream)
        {
            throw new NotSupportedException();
        }

        public PrivateKeySelectionCallback PrivateKeyCertSelectionDelegate { get; set; }
        public CertificateValidationCallback ClientCertValidationDelegate { get; set; }
    }
}
