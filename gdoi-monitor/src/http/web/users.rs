//! Who may ask: names with bcrypt hashes of their passwords.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bcrypt::HashParts;
use ring::hmac;
use ring::rand::SystemRandom;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::error::{MAX_COST, WebConfigProblem};

const BASIC: &[u8] = b"Basic ";
const MAX_CREDENTIALS: usize = 1 << 10;
const TURN_WAIT: Duration = Duration::from_secs(3);

/// Who may ask; everybody where nobody is named.
pub(super) struct Users {
    by_name: BTreeMap<String, User>,
    /// New with each configuration: what was right before a change is checked again.
    key: hmac::Key,
    /// One check at a time, or guessing passwords would take all CPUs.
    turn: Arc<Semaphore>,
}

struct User {
    hash: Arc<str>,
    /// The authenticator of the password that was last found right, under a key that only this process has.
    right: Mutex<Option<hmac::Tag>>,
}

/// Whether one may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Yes.
    Granted,
    /// No: name or password are wrong, or not there.
    Refused,
    /// Not now: too many passwords wait to be checked.
    Busy,
}

impl Users {
    /// Nobody is asked for a name.
    pub(super) fn everybody() -> Self {
        Self {
            by_name: BTreeMap::new(),
            key: hmac::Key::new(hmac::HMAC_SHA256, &[]),
            turn: Arc::new(Semaphore::new(1)),
        }
    }

    /// The users of a file. Refused: what is no hash, or one that takes too long to check.
    pub(super) fn new(hashes: BTreeMap<String, String>) -> Result<Self, WebConfigProblem> {
        let mut by_name = BTreeMap::new();
        for (user, hash) in hashes {
            match HashParts::from_str(&hash).map(|parts| parts.get_cost()) {
                Ok(cost) if cost > MAX_COST => return Err(WebConfigProblem::Cost { user, cost }),
                Ok(_) => {}
                // The error would show the hash.
                Err(_) => return Err(WebConfigProblem::Hash(user)),
            }
            let hash = hash.into();
            let right = Mutex::new(None);
            by_name.insert(user, User { hash, right });
        }
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
            .ok()
            .ok_or(WebConfigProblem::Yaml("the kernel provides no random numbers"))?;
        Ok(Self {
            by_name,
            key,
            ..Self::everybody()
        })
    }

    /// Whether a request with this `Authorization` header may be answered.
    pub(super) async fn check(&self, authorization: Option<&[u8]>) -> Access {
        let Some(somebody) = self.by_name.values().next() else {
            return Access::Granted;
        };
        let Some((name, password)) = authorization.and_then(credentials) else {
            return Access::Refused;
        };
        let user = self.by_name.get(&name);
        if user.is_some_and(|user| self.was_right(user, &password)) {
            return Access::Granted;
        }
        // An unknown name takes as long as a known one with a wrong password.
        let hash = Arc::clone(&user.unwrap_or(somebody).hash);
        let tag = hmac::sign(&self.key, &password);
        let Some(is_right) = self.verify(hash, password).await else {
            return Access::Busy;
        };
        match user {
            Some(user) if is_right => {
                *user.right.lock().unwrap_or_else(PoisonError::into_inner) = Some(tag);
                Access::Granted
            }
            _ => Access::Refused,
        }
    }

    /// Whether this is the password that was last found right; in a time that does not depend on how much of it is.
    fn was_right(&self, user: &User, password: &[u8]) -> bool {
        let right = user.right.lock().unwrap_or_else(PoisonError::into_inner);
        right
            .as_ref()
            .is_some_and(|tag| hmac::verify(&self.key, password, tag.as_ref()).is_ok())
    }

    /// Checks a password away from the tasks that serve. `None`: its turn did not come in time.
    async fn verify(&self, hash: Arc<str>, password: Vec<u8>) -> Option<bool> {
        let turn = Arc::clone(&self.turn).acquire_owned();
        let turn = timeout(TURN_WAIT, turn).await.ok()?.ok()?;
        let check = tokio::task::spawn_blocking(move || {
            // It goes on, and so does its turn, when whoever asked has gone.
            let _turn = turn;
            bcrypt::verify(password, &hash).unwrap_or(false)
        });
        check.await.ok()
    }
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} users", self.by_name.len())
    }
}

/// Name and password of the scheme Basic (RFC 7617 §2).
fn credentials(header: &[u8]) -> Option<(String, Vec<u8>)> {
    let (scheme, coded) = header.split_at_checked(BASIC.len())?;
    if !scheme.eq_ignore_ascii_case(BASIC) || coded.len() > MAX_CREDENTIALS {
        return None;
    }
    let mut plain = BASE64_STANDARD.decode(coded.trim_ascii()).ok()?;
    let colon = plain.iter().position(|octet| *octet == b':')?;
    let password = plain.split_off(colon + 1);
    plain.pop();
    Some((String::from_utf8(plain).ok()?, password))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: &[u8], expect: Option<(&str, &[u8])>) {
        let got = credentials(header);
        let got = got
            .as_ref()
            .map(|(name, password)| (name.as_str(), password.as_slice()));
        assert_eq!(got, expect, "{}", String::from_utf8_lossy(header));
    }

    #[test]
    fn credentials_are_read_as_the_rfc_says() {
        check(
            b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
            Some(("Aladdin", b"open sesame")),
        );
        check(
            b"basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
            Some(("Aladdin", b"open sesame")),
        );
        check(b"Basic YTpiOmM=", Some(("a", b"b:c")));
        check(b"Basic Og==", Some(("", b"")));
        check(b"Basic YWJj", None);
        check(b"Basic !!!!", None);
        check(b"Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==", None);
        check(b"Basic", None);
        check(b"", None);
        check(&[BASIC, "QQ==".repeat(1_000).as_bytes()].concat(), None);
    }

    #[test]
    fn hashes_that_cannot_be_checked_are_refused() {
        let users = |hash: &str| Users::new([("alice".to_owned(), hash.to_owned())].into());
        let said = |hash| users(hash).unwrap_err().to_string();
        let plain = said("sesame");
        assert!(plain.contains("\"alice\" is not a bcrypt hash"), "{plain}");
        assert!(!plain.contains("sesame"), "{plain}");
        let dear = said("$2y$31$mDwo.lAisC94iLAyP81MCesa29IzH37oigHC/42V2pdJlUprsJPze");
        assert!(dear.contains("cost of \"alice\" is 31"), "{dear}");
    }

    #[tokio::test]
    async fn a_password_is_right_or_wrong_the_first_time_and_the_next() {
        let hash = bcrypt::hash("sesame", 4).unwrap();
        let users = Users::new([("alice".to_owned(), hash)].into()).unwrap();
        let ask = async |plain: &str| {
            let header = format!("Basic {}", BASE64_STANDARD.encode(plain));
            users.check(Some(header.as_bytes())).await
        };
        for _ in 0..2 {
            assert_eq!(ask("alice:sesame").await, Access::Granted);
            assert_eq!(ask("alice:Sesame").await, Access::Refused);
            assert_eq!(ask("bob:sesame").await, Access::Refused);
            assert_eq!(users.check(None).await, Access::Refused);
        }
        let right = users.by_name["alice"].right.lock().unwrap();
        assert!(right.is_some());
    }

    #[tokio::test]
    async fn what_was_found_right_is_not_computed_again() {
        let hash = bcrypt::hash("sesame", 4).unwrap();
        let users = Users::new([("alice".to_owned(), hash)].into()).unwrap();
        let header = format!("Basic {}", BASE64_STANDARD.encode("alice:sesame"));
        assert_eq!(users.check(Some(header.as_bytes())).await, Access::Granted);
        // From here on nothing can be computed.
        users.turn.close();
        assert_eq!(users.check(Some(header.as_bytes())).await, Access::Granted);
        let wrong = format!("Basic {}", BASE64_STANDARD.encode("alice:wrong"));
        assert_eq!(users.check(Some(wrong.as_bytes())).await, Access::Busy);
    }
}
