//! Handshakes whose every byte is known.

use super::*;
use crate::security::Secured;
use crate::security::testing::{feed, seal, sent};

/// The two sides without muxers.
const PLAIN: [&str; 3] = [
    "0020052a50773ac8d91773f2dc9662e12f0defe915e415b8a1c8e20a5a3d6ab2b843",
    "00c80faa684ed28867b97f4a6a2dee5df8ce974e76b7018e3f22a1c4cf2678570f20a7ed3a6a454f03d7bb49831f99155a0f5b30\
     d08f206300ad054574e2c183e32473fc04f9ec728bfb00430cf36aed63af19b2fb5876fa3fa7f11b3434f5ec1061d1bd502b6cb4\
     e76b8e87f263e6be422adc454f0e5f5f661f03c47bc6927b0e483dca94f8b5662eeac6b8f2f991f85dbbb51c16c7bf7da0c7000f\
     86272cac8f93450c408ccfe560c4ba679841d160cff78498b6a4325c840f159336ed229337b67fb3be071b3e1168",
    "00a8e86c81a880398a8d9bc21b322d8f524134ef9c0456a63ec2de76574116541dca41e9ab037523da5a84fbabef8d5aa97d27e4\
     f597132223f511d2f4de776623fb3b3d8aaf51a49c0d4d1f6e23eed4651149fc5b9a6324d7aabc80e2ca20756876b77ac86253ef\
     02b0eae304fa7cfc8078c239f2080babd496eb8f91d96113d3991ae9437a48622ac913e67c392c71efcc20e4e47fd72e01230826\
     9fff16260cc61691152cd1e914d3",
];

/// The dialer with yamux and mplex, the listener with mplex and yamux.
const WITH_MUXERS: [&str; 3] = [
    PLAIN[0],
    "00e60faa684ed28867b97f4a6a2dee5df8ce974e76b7018e3f22a1c4cf2678570f20a7ed3a6a454f03d7bb49831f99155a0f5b30\
     d08f206300ad054574e2c183e32473fc04f9ec728bfb00430cf36aed63af19b2fb5876fa3fa7f11b3434f5ec1061d1bd502b6cb4\
     e76b8e87f263e6be422adc454f0e5f5f661f03c47bc6927b0e483dca94f8b5662eeac6b8f2f991f85dbbb51c16c7bf7da0c7000f\
     86272cac8f93450c408ccfe560c4ba679841d160cff78498b6a4325c840facae8ab842b66fe36931f9a43f49befc5762de1eb26c\
     bc0f09b094ce0deadec55a21fbcf295dd30c080014e2e2b0",
    "00c6e86c81a880398a8d9bc21b322d8f524134ef9c0456a63ec2de76574116541dca7b4a93c8ed439a789b24b8da5a21c2b527e4\
     f597132223f511d2f4de776623fb3b3d8aaf51a49c0d4d1f6e23eed4651149fc5b9a6324d7aabc80e2ca20756876b77ac86253ef\
     02b0eae304fa7cfc8078c239f2080babd496eb8f91d96113d3991ae9437a48622ac913e67c392c71efcc20e4e47fd72e0123db62\
     f4225ebf73531d97a3e25c66277a7d88845b1b42c6e2e945c809dcd149b7286edbe43cdf51a188c464d8156e",
];

const HELLO: &str = "0015aa95c32df597c589e3fe61f3cbede5197bb35b7cf3";
const WORLD: &str = "0015c111a12160a3135900d567bcac9d9be182285ba6f6";

#[test]
fn every_byte_is_known() {
    let (dialers, listeners) = (["/yamux/1.0.0", "/mplex/6.7.0"], ["/mplex/6.7.0", "/yamux/1.0.0"]);
    let table = [
        (PLAIN, [&[][..], &[]], None),
        (WITH_MUXERS, [&dialers[..], &listeners], Some(ProtocolId::from_static("/yamux/1.0.0"))),
    ];
    for crypto in real_providers() {
        for (messages, muxers, chosen) in &table {
            let [mut dialer, mut listener] =
                [(DIALER, muxers[0]), (LISTENER, muxers[1])].map(|(side, muxers)| {
                    let (crypto, muxers) = (Arc::clone(&crypto), ids(muxers));
                    side.start_with(HandshakeSetup { crypto, muxers, ..side.setup() })
                });
            assert_eq!(sent(&mut *dialer, usize::MAX), hex(messages[0]));
            assert!(feed(&mut *listener, &hex(messages[0]), usize::MAX).unwrap().is_none());
            assert_eq!(sent(&mut *listener, usize::MAX), hex(messages[1]));
            let (dialed, _) = feed(&mut *dialer, &hex(messages[1]), usize::MAX).unwrap().unwrap();
            assert_eq!(sent(&mut *dialer, usize::MAX), hex(messages[2]));
            let (accepted, _) = feed(&mut *listener, &hex(messages[2]), usize::MAX).unwrap().unwrap();
            assert_eq!((&dialed.muxer, &accepted.muxer), (chosen, chosen));
            check_frames(dialed, accepted);
        }
    }
}

fn check_frames(mut dialed: Secured, mut accepted: Secured) {
    assert_eq!((dialed.peer, accepted.peer), (peer_id(LISTENER.secret), peer_id(DIALER.secret)));
    assert_eq!(seal(&mut *dialed.channel, b"hello"), hex(HELLO));
    assert_eq!(seal(&mut *accepted.channel, b"world"), hex(WORLD));
}

/// A handshake and a few messages of plain Noise.
struct Vector {
    prologue: &'static str,
    /// The static and the ephemeral scalar of each side.
    dialer: [&'static str; 2],
    listener: [&'static str; 2],
    /// Payloads and messages, in turn.
    messages: &'static [(&'static str, &'static str)],
    hash: Option<&'static str>,
}

/// From the collections of the projects cacophony and snow.
const VECTORS: [Vector; 2] = [
    Vector {
        prologue: "4a6f686e2047616c74",
        dialer: [
            "e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1",
            "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a",
        ],
        listener: [
            "4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893",
            "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b",
        ],
        messages: &[
            (
                "4c756477696720766f6e204d69736573",
                "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c79444c756477696720766f6e204d69736573",
            ),
            (
                "4d757272617920526f746862617264",
                "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f14480884381cbad1f276e038c48378ffce2b65285\
                 e08d6b68aaa3629a5a8639392490e5b9bd5269c2f1e4f488ed8831161f19b7815528f8982ffe09be9b5c412f8a0db50f\
                 8814c7194e83f23dbd8d162c9326ad",
            ),
            (
                "462e20412e20486179656b",
                "c7195ffacac1307ff99046f219750fc47693e23c3cb08b89c2af808b444850a80ae475b9df0f169ae80a89be0865b57f\
                 58c9fea0d4ec82a286427402f113e4b6ae769a1d95941d49b25030",
            ),
            ("4361726c204d656e676572", "96763ed773f8e47bb3712f0e29b3060ffc956ffc146cee53d5e1df"),
            (
                "4a65616e2d426170746973746520536179",
                "3e40f15f6f3a46ae446b253bf8b1d9ffb6ed9b174d272328ff91a7e2e5c79c07f5",
            ),
            (
                "457567656e2042f6686d20766f6e2042617765726b",
                "eb3f3515110702e047a6c9da4478b6ead94873c11c0f2d710ddb3f09fce024b3a58502ae3f",
            ),
        ],
        hash: Some("c8e5f64e846193be2a834104c2a009868d6c9f3bd3c186299888b488b2f1f58e"),
    },
    Vector {
        prologue: "5468657265206973206e6f20726967687420616e642077726f6e672e2054686572652773206f6e6c792066756e20616e\
                   6420626f72696e672e",
        dialer: [
            "7dec208517a3b81a2861d7a71266d5d6dc944c5a8816634a86fe63198a0148ee",
            "a32daf21e93c0131495ce1d903181fde81cc46937daaeb990bae7c992709421e",
        ],
        listener: [
            "4d0aed5098e3b4ef20357e9f686ce66204c792b358da2e475017d6c485304881",
            "4eece0f195d026db035ff987597c429d3ad3bcc2944df37d649528951b2a27c5",
        ],
        messages: &[
            (
                "d03c489139e645d0711a3c9e810d776b46a84912463fafa87b884eebf242dc34",
                "f9fa868ba97ab8a2686deccfaad5a484ee10a5bb85e3d1dce015a84797f92818d03c489139e645d0711a3c9e810d776b\
                 46a84912463fafa87b884eebf242dc34",
            ),
            (
                "d8190a92f7dc0c93dbea9118ba8055751fb7c6590c416ffbd419964132b99a85",
                "8c4e6fdb7d09d501a86f7eca5c234522751706ed409182c05cdf5f827d4dae47b81c6c5f43b025692c24391eefee725c\
                 17d8cb0fbe3e4abb8aedf42c4fd2592d4ea48ac08989d6ae8b4adae08b2c34087c808c7aa55a63c02b0fab9e93061233\
                 6bd43eaea04d3c670a0a146691aa9cc9d357872320dc735dbc48580cffb553db",
            ),
            (
                "77891b19dcb92ef7c055b672c4a5aa7fdf1c84146b8b303459022729473ce254",
                "933ca6b5ed60df3df66121f0ab49a09e49efa45c613a86a3cecbf4c535cef2f83f72b42837b18e3572f2fdc2b74c331e\
                 2368a545cef54bdca081678ab0e9dd5348122459e0c034c851984d88ce610963d43cde6cfe73a67fbd5a63e8bfca96d0",
            ),
            (
                "d7efdf988072881941db045a42882433817555128fbf5663e56081712ec7d212",
                "54ef0ff0629e1aaa7685a2806ab111cba76b52331f2642276736f415868eacb69ab2577f3bda0cbf72f879685f6ed25f",
            ),
            (
                "dd7bf01a588bafb52c6cfba952e5d8fe35cc2b3f92b4730ae2474615157345ce",
                "356be70f110306d5c699bb834bb9d58d909e325924dfbec972e406e6f294dc63e1daebefe8a62a334facc8048ab4ad66",
            ),
        ],
        hash: None,
    },
];

#[test]
fn the_pattern_is_that_of_noise() {
    for crypto in real_providers() {
        for vector in &VECTORS {
            check_vector(vector, &crypto);
        }
    }
}

fn check_vector(vector: &Vector, crypto: &Arc<dyn CryptoProvider>) {
    let [mut dialer, mut listener] = [vector.dialer, vector.listener].map(|scalars| {
        let [static_key, ephemeral_key] =
            scalars.map(|scalar| private_key(&**crypto, hex(scalar).first_chunk().unwrap()).unwrap());
        Pattern::new(Arc::clone(crypto), &hex(vector.prologue), static_key.into(), ephemeral_key)
    });
    let mut messages = vector.messages.iter().map(|(payload, message)| (hex(payload), hex(message)));

    let mut first = BytesMut::new();
    let (payload, message) = messages.next().unwrap();
    dialer.write_first(&payload, &mut first).unwrap();
    assert_eq!(first, message);
    let dialers = listener.read_first(&mut first).unwrap();
    assert_eq!(first, payload);

    let mut second = BytesMut::new();
    let (payload, message) = messages.next().unwrap();
    listener.write_second(&dialers, &payload, &mut second).unwrap();
    assert_eq!(second, message);
    let (listeners, static_key) = dialer.read_second(&mut second).unwrap();
    assert_eq!((&second[..], &static_key[..]), (&payload[..], listener.static_key()));

    let mut third = BytesMut::new();
    let (payload, message) = messages.next().unwrap();
    dialer.write_third(&listeners, &payload, &mut third).unwrap();
    assert_eq!(third, message);
    let static_key = listener.read_third(&mut third).unwrap();
    assert_eq!((&third[..], &static_key[..]), (&payload[..], dialer.static_key()));

    assert_eq!(dialer.hash(), listener.hash());
    if let Some(hash) = vector.hash {
        assert_eq!(dialer.hash(), hex(hash));
    }
    let (mut dialers, mut listeners) = dialer.split();
    for (index, (payload, message)) in messages.enumerate() {
        let cipher = if index % 2 == 0 { &mut listeners } else { &mut dialers };
        let mut data = payload;
        let tag = cipher.seal(&[], &mut data).unwrap();
        assert_eq!([&data[..], &tag].concat(), message, "message {index} after the handshake");
    }
}
