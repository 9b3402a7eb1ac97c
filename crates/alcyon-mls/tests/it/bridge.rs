//! The product's suite for mls-rs: the primitives are those OpenMLS uses, the protocol above them is its own.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use alcyon_identity::DeviceKey;
use mls_rs::{
    CipherSuite, CipherSuiteProvider, CryptoProvider,
    crypto::{HpkeCiphertext, HpkeContextR, HpkeContextS, HpkePsk, HpkePublicKey, HpkeSecretKey, SignaturePublicKey, SignatureSecretKey},
    error::IntoAnyError,
};
use openmls_rust_crypto::RustCrypto;
use openmls_traits::{
    crypto::OpenMlsCrypto,
    random::OpenMlsRand,
    types::{self, Ciphersuite, CryptoError},
};
use zeroize::Zeroizing;

const SUITE: Ciphersuite = Ciphersuite::MLS_128_MLKEM768X25519_AES256GCM_SHA384_Ed25519;
/// The only export that MLS needs of HPKE: the init secret of an external commit (RFC 9420 section 8.3).
const EXPORT: (&[u8], usize) = (b"MLS 1.0 external init secret", 48);

#[derive(Clone, Default)]
pub struct Bridge {
    /// While set, what is sealed by HPKE is spoilt.
    pub spoil: Arc<AtomicBool>,
}

#[derive(Debug)]
pub struct Failed(#[allow(dead_code)] String);

impl IntoAnyError for Failed {}

impl From<CryptoError> for Failed {
    fn from(error: CryptoError) -> Self {
        Self(format!("{error:?}"))
    }
}

pub struct Exported(Zeroizing<Vec<u8>>);

impl Exported {
    fn get(&self, context: &[u8], length: usize) -> Result<Zeroizing<Vec<u8>>, Failed> {
        if (context, length) == EXPORT { Ok(self.0.clone()) } else { Err(Failed("another export".into())) }
    }
}

impl HpkeContextS for Exported {
    type Error = Failed;

    fn seal(&mut self, _aad: Option<&[u8]>, _data: &[u8]) -> Result<Vec<u8>, Failed> {
        Err(Failed("MLS exports only".into()))
    }

    fn export(&self, context: &[u8], length: usize) -> Result<Zeroizing<Vec<u8>>, Failed> {
        self.get(context, length)
    }
}

impl HpkeContextR for Exported {
    type Error = Failed;

    fn open(&mut self, _aad: Option<&[u8]>, _ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, Failed> {
        Err(Failed("MLS exports only".into()))
    }

    fn export(&self, context: &[u8], length: usize) -> Result<Zeroizing<Vec<u8>>, Failed> {
        self.get(context, length)
    }
}

impl CryptoProvider for Bridge {
    type CipherSuiteProvider = Self;

    fn supported_cipher_suites(&self) -> Vec<CipherSuite> {
        vec![self.cipher_suite()]
    }

    fn cipher_suite_provider(&self, suite: CipherSuite) -> Option<Self> {
        (suite == self.cipher_suite()).then(|| self.clone())
    }
}

fn crypto() -> RustCrypto {
    RustCrypto::default()
}

impl CipherSuiteProvider for Bridge {
    type Error = Failed;
    type HpkeContextS = Exported;
    type HpkeContextR = Exported;

    fn cipher_suite(&self) -> CipherSuite {
        CipherSuite::from(u16::from(SUITE))
    }

    fn hash(&self, data: &[u8]) -> Result<Vec<u8>, Failed> {
        Ok(crypto().hash(SUITE.hash_algorithm(), data)?)
    }

    fn mac(&self, key: &[u8], data: &[u8]) -> Result<Vec<u8>, Failed> {
        Ok(crypto().hmac(SUITE.hash_algorithm(), key, data)?.as_slice().to_vec())
    }

    fn aead_seal(&self, key: &[u8], data: &[u8], aad: Option<&[u8]>, nonce: &[u8]) -> Result<Vec<u8>, Failed> {
        Ok(crypto().aead_encrypt(SUITE.aead_algorithm(), key, data, nonce, aad.unwrap_or_default())?)
    }

    fn aead_open(&self, key: &[u8], ciphertext: &[u8], aad: Option<&[u8]>, nonce: &[u8]) -> Result<Zeroizing<Vec<u8>>, Failed> {
        Ok(crypto().aead_decrypt(SUITE.aead_algorithm(), key, ciphertext, nonce, aad.unwrap_or_default())?.into())
    }

    fn aead_key_size(&self) -> usize {
        32
    }

    fn aead_nonce_size(&self) -> usize {
        12
    }

    fn kdf_extract(&self, salt: &[u8], ikm: &[u8]) -> Result<Zeroizing<Vec<u8>>, Failed> {
        Ok(crypto().hkdf_extract(SUITE.hash_algorithm(), salt, ikm)?.as_slice().to_vec().into())
    }

    fn kdf_expand(&self, prk: &[u8], info: &[u8], length: usize) -> Result<Zeroizing<Vec<u8>>, Failed> {
        Ok(crypto().hkdf_expand(SUITE.hash_algorithm(), prk, info, length)?.as_slice().to_vec().into())
    }

    fn kdf_extract_size(&self) -> usize {
        48
    }

    fn hpke_seal(&self, key: &HpkePublicKey, info: &[u8], aad: Option<&[u8]>, plaintext: &[u8]) -> Result<HpkeCiphertext, Failed> {
        let sealed = crypto().hpke_seal(SUITE.hpke_config(), key.as_ref(), info, aad.unwrap_or_default(), plaintext)?;
        let mut ciphertext = sealed.ciphertext.as_slice().to_vec();
        if self.spoil.load(Ordering::Relaxed) {
            ciphertext[0] ^= 1;
        }
        Ok(HpkeCiphertext { kem_output: sealed.kem_output.as_slice().to_vec(), ciphertext })
    }

    fn hpke_seal_psk(&self, _: &HpkePublicKey, _: &[u8], _: Option<&[u8]>, _: &[u8], _: HpkePsk<'_>) -> Result<HpkeCiphertext, Failed> {
        Err(Failed("MLS has no HPKE PSK".into()))
    }

    fn hpke_open(
        &self,
        sealed: &HpkeCiphertext,
        secret: &HpkeSecretKey,
        _public: &HpkePublicKey,
        info: &[u8],
        aad: Option<&[u8]>,
    ) -> Result<Zeroizing<Vec<u8>>, Failed> {
        let sealed = types::HpkeCiphertext { kem_output: sealed.kem_output.clone().into(), ciphertext: sealed.ciphertext.clone().into() };
        Ok(crypto().hpke_open(SUITE.hpke_config(), &sealed, secret.as_ref(), info, aad.unwrap_or_default())?.into())
    }

    fn hpke_open_psk(
        &self,
        _: &HpkeCiphertext,
        _: &HpkeSecretKey,
        _: &HpkePublicKey,
        _: &[u8],
        _: Option<&[u8]>,
        _: HpkePsk<'_>,
    ) -> Result<Zeroizing<Vec<u8>>, Failed> {
        Err(Failed("MLS has no HPKE PSK".into()))
    }

    fn hpke_setup_s(&self, key: &HpkePublicKey, info: &[u8]) -> Result<(Vec<u8>, Exported), Failed> {
        let (kem, secret) = crypto().hpke_setup_sender_and_export(SUITE.hpke_config(), key.as_ref(), info, EXPORT.0, EXPORT.1)?;
        Ok((kem, Exported(secret.to_vec().into())))
    }

    fn hpke_setup_r(&self, kem: &[u8], secret: &HpkeSecretKey, _: &HpkePublicKey, info: &[u8]) -> Result<Exported, Failed> {
        let secret = crypto().hpke_setup_receiver_and_export(SUITE.hpke_config(), kem, secret.as_ref(), info, EXPORT.0, EXPORT.1)?;
        Ok(Exported(secret.to_vec().into()))
    }

    fn kem_derive(&self, ikm: &[u8]) -> Result<(HpkeSecretKey, HpkePublicKey), Failed> {
        let pair = crypto().derive_hpke_keypair(SUITE.hpke_config(), ikm)?;
        Ok((pair.private.to_vec().into(), pair.public.into()))
    }

    fn kem_generate(&self) -> Result<(HpkeSecretKey, HpkePublicKey), Failed> {
        self.kem_derive(&self.random_bytes_vec(48)?)
    }

    fn kem_public_key_validate(&self, key: &HpkePublicKey) -> Result<(), Failed> {
        if key.len() == 1216 { Ok(()) } else { Err(Failed("length of a key".into())) }
    }

    fn random_bytes(&self, out: &mut [u8]) -> Result<(), Failed> {
        out.copy_from_slice(&crypto().random_vec(out.len()).map_err(|error| Failed(format!("{error:?}")))?);
        Ok(())
    }

    fn signature_key_generate(&self) -> Result<(SignatureSecretKey, SignaturePublicKey), Failed> {
        let key = DeviceKey::generate();
        Ok((key.to_bytes().to_vec().into(), key.id().as_bytes().to_vec().into()))
    }

    fn signature_key_derive_public(&self, secret: &SignatureSecretKey) -> Result<SignaturePublicKey, Failed> {
        Ok(device_key(secret)?.id().as_bytes().to_vec().into())
    }

    fn sign(&self, secret: &SignatureSecretKey, data: &[u8]) -> Result<Vec<u8>, Failed> {
        Ok(device_key(secret)?.sign(data).to_vec())
    }

    fn verify(&self, key: &SignaturePublicKey, signature: &[u8], data: &[u8]) -> Result<(), Failed> {
        Ok(crypto().verify_signature(SUITE.signature_algorithm(), data, key.as_ref(), signature)?)
    }
}

fn device_key(secret: &SignatureSecretKey) -> Result<DeviceKey, Failed> {
    // mls-rs keeps seed and public key together for Ed25519.
    DeviceKey::from_bytes(&secret.as_bytes()[..32]).map_err(|error| Failed(format!("{error:?}")))
}
