use super::*;

#[test]
fn what_a_channel_keeps_is_small() {
    assert!(size_of::<KeyStream<Ctr128BE<Aes256Enc>>>() <= 288);
    assert!(size_of::<Keyed<hmac::Hmac<Sha256>>>() <= 144);
    assert!(size_of::<Keyed<hmac::Hmac<Sha512>>>() <= 288);
}
