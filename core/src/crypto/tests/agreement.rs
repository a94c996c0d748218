//! Key agreement: vectors, and what must be refused, for each curve and provider.

use super::*;
use proptest::prelude::*;

/// What is known of a curve.
struct Known {
    curve: Curve,
    /// How many private scalars there are, and one.
    order: &'static str,
    scalars: [&'static str; 2],
    /// The secret that two with these scalars share: RFC 5903, section 8.
    shared: &'static str,
}

const KNOWN: [Known; 3] = [
    Known {
        curve: Curve::P256,
        order: "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
        scalars: [
            "c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433",
            "c6ef9c5d78ae012a011164acb397ce2088685d8f06bf9be0b283ab46476bee53",
        ],
        shared: "d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de",
    },
    Known {
        curve: Curve::P384,
        order: "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
        scalars: [
            "099f3c7034d4a2c699884d73a375a67f7624ef7c6b3c0f160647b67414dce655e35b538041e649ee3faef896783ab194",
            "41cb0779b4bdb85d47846725fbec3c9430fab46cc8dc5060855cc9bda0aa2942e0308312916b8ed2960e4bd55a7448fc",
        ],
        shared: "11187331c279962d93d604243fd592cb9d0a926f422e47187521287e7156c5c4d603135569b9e9d09cf5d4a270f59746",
    },
    Known {
        curve: Curve::P521,
        order: "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa\
                51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
        scalars: [
            "0037ade9319a89f4dabdb3ef411aaccca5123c61acab57b5393dce47608172a095aa\
             85a30fe1c2952c6771d937ba9777f5957b2639bab072462f68c27a57382d4a52",
            "0145ba99a847af43793fdd0e872e7cdfa16be30fdc780f97bccc3f078380201e9c67\
             7d600b343757a3bdbf2a3163e4c2f869cca7458aa4a4effc311f5cb151685eb9",
        ],
        shared: "01144c7d79ae6956bc8edb8e7c787c4521cb086fa64407f97894e5e6b2d79b04d142\
                 7e73ca4baa240a34786859810c06b3c715a3a8cc3151f2bee417996d19f3ddea",
    },
];

/// The point of a P-256 key made by Go's elliptic package, and the secret that it shares with [`GO_SCALAR`].
const GO_POINT: &str = "04b194f9d970c93d7158cec319b5f105f4e9fc2ee9cc30fcfaf742d982d13e9bf2\
                        e81a1d967a83658a4a8921889c2e3fd59e33a35bcb1596e3beda75ebfe9475c7";
const GO_SCALAR: &str = "258ca6a1d484fe8c7e4164069483d75cd067dd068017874fff490be152d46b50";
const GO_SHARED: &str = "9d910983ef0d27cf0497ee2662a9b5c2532458eeac8520fb765ae92fc528e7b6";

const CURVES: [Curve; 3] = [Curve::P256, Curve::P384, Curve::P521];

/// Does this for each provider and curve.
fn for_each_curve(check: impl Fn(&dyn CryptoProvider, &Known)) {
    for crypto in real_providers() {
        for known in &KNOWN {
            println!("{} {:?}", crypto.name(), known.curve);
            check(&*crypto, known);
        }
    }
}

fn number(curve: Curve, number: u8) -> Vec<u8> {
    let mut scalar = vec![0; curve.field_bytes()];
    *scalar.last_mut().unwrap() = number;
    scalar
}

#[test]
fn agreements_are_those_of_the_vectors() {
    for_each_curve(|crypto, known| {
        let keys = known.scalars.map(|scalar| crypto.ephemeral_key(known.curve, &hex(scalar)).unwrap());
        for (one, other) in [(0, 1), (1, 0)] {
            assert_eq!(*keys[one].agree(keys[other].public_point()).unwrap(), hex(known.shared));
        }
    });
    for crypto in real_providers() {
        let key = crypto.ephemeral_key(Curve::P256, &hex(GO_SCALAR)).unwrap();
        assert_eq!(*key.agree(&hex(GO_POINT)).unwrap(), hex(GO_SHARED));
    }
}

#[test]
fn points_and_secrets_have_a_fixed_width() {
    for_each_curve(|crypto, known| {
        let width = known.curve.field_bytes();
        for scalar in 1..20 {
            let key = crypto.ephemeral_key(known.curve, &number(known.curve, scalar)).unwrap();
            assert_eq!((key.public_point()[0], key.public_point().len()), (4, 1 + 2 * width));
            assert_eq!(key.agree(key.public_point()).unwrap().len(), width);
        }
    });
}

#[test]
fn scalars_out_of_range_are_refused() {
    for_each_curve(|crypto, known| {
        let width = known.curve.field_bytes();
        let order = hex(known.order);
        let (mut below, mut above) = (order.clone(), order.clone());
        // No order ends in 0x00 or 0xff.
        below[width - 1] -= 1;
        above[width - 1] += 1;
        let key = |scalar: &[u8]| crypto.ephemeral_key(known.curve, scalar);
        let refused = [
            number(known.curve, 0),
            order,
            above,
            vec![0xff; width],
            vec![],
            vec![1; 1],
            vec![1; width - 1],
            vec![1; width + 1],
            [&[0], number(known.curve, 1).as_slice()].concat(),
        ];
        for scalar in refused {
            assert_eq!(key(&scalar).err(), Some(InvalidScalar), "{scalar:02x?}");
        }
        assert!(key(&number(known.curve, 1)).is_ok() && key(&below).is_ok());
    });
}

/// Malformed points, points that are not on the curve, and the point at infinity, which is its own multiple under every scalar: from the
/// first kind an invalid-curve attack would learn our scalar, with the last it would know the secret.
#[test]
fn bad_points_are_refused() {
    for_each_curve(|crypto, known| {
        let width = known.curve.field_bytes();
        let [key, good] =
            known.scalars.map(|scalar| crypto.ephemeral_key(known.curve, &hex(scalar)).unwrap());
        let edited = |edit: &dyn Fn(&mut Vec<u8>)| {
            let mut point = good.public_point().to_vec();
            edit(&mut point);
            point
        };
        let mut refused = vec![
            ("nothing", vec![]),
            ("infinity", vec![0]),
            ("infinity, at full width", vec![0; 1 + 2 * width]),
            ("a form and no more", vec![4]),
            ("off the curve", edited(&|point| point[2 * width] ^= 1)),
            ("X and Y swapped", edited(&|point| point[1..].rotate_left(width))),
            ("zeros", edited(&|point| point[1..].fill(0))),
            ("coordinates not below the field's prime", edited(&|point| point[1..].fill(0xff))),
            ("one byte more", edited(&|point| point.push(0))),
            ("one byte less", edited(&|point| point.truncate(2 * width))),
            ("the form at the end", edited(&|point| point.rotate_left(1))),
        ];
        // 2 and 3 are for compressed points, 6 and 7 for hybrid ones.
        for form in [0, 2, 3, 5, 6, 7, 0x30] {
            refused.push(("another form", edited(&|point| point[0] = form)));
        }
        for form in [2, 3] {
            refused.push((
                "compressed",
                edited(&|point| {
                    point.truncate(1 + width);
                    point[0] = form;
                }),
            ));
        }
        for other in CURVES.into_iter().filter(|other| *other != known.curve) {
            let point = crypto.ephemeral_key(other, &number(other, 5)).unwrap().public_point().to_vec();
            refused.push(("of another curve", point));
        }
        for (what, point) in refused {
            assert_eq!(key.agree(&point), Err(InvalidPoint), "{what}: {point:02x?}");
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// All providers give the same points, secrets and errors.
    #[test]
    fn providers_do_not_differ(
        curve in proptest::sample::select(&CURVES[..]),
        scalars in (proptest::collection::vec(any::<u8>(), 66), proptest::collection::vec(any::<u8>(), 66)),
        edit in proptest::option::of((any::<proptest::sample::Index>(), any::<u8>())),
        is_cut in any::<bool>(),
    ) {
        let width = curve.field_bytes();
        let scalar = |bytes: &[u8]| {
            let mut scalar = bytes[..width].to_vec();
            if is_cut {
                scalar[0] &= 1;
            }
            scalar
        };
        let outcomes = real_providers().into_iter().map(|crypto| {
            let own = crypto.ephemeral_key(curve, &scalar(&scalars.0))?;
            let mut point = crypto.ephemeral_key(curve, &scalar(&scalars.1))?.public_point().to_vec();
            if let Some((index, value)) = &edit {
                *index.get_mut(&mut point) = *value;
            }
            Ok::<_, InvalidScalar>((own.public_point().to_vec(), own.agree(&point).map(|secret| secret.to_vec()), point))
        });
        let outcomes: Vec<_> = outcomes.collect();
        prop_assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]), "{:?}", outcomes);
    }
}
