//! Users: names with bcrypt hashes of their passwords.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::str::FromStr as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bcrypt::HashParts;
use ring::hmac;
use ring::rand::SystemRandom;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::error::{MAX_COST, WebConfigProblem};

const BASIC: &[u8] = b"Basic ";
const MAX_CREDENTIALS: usize = 1 << 10;
const TURN_WAIT: Duration = Duration::from_secs(3);
/// Few: a waiting request has a connection that is not closed for others.
const MAX_WAITING: usize = 8;

/// The users; without any, everybody is admitted.
pub(super) struct Users {
    by_name: BTreeMap<String, User>,
    key: hmac::Key,
    turns: Arc<Turns>,
}

struct User {
    hash: Arc<str>,
    /// A keyed tag of the last accepted password; only this process has the key.
    right: Mutex<Option<hmac::Tag>>,
}

/// One password check at a time, so that guessing cannot use all CPUs. The newest request is next: a guesser with
/// many parallel requests delays its own, not those of others.
#[derive(Debug, Default)]
struct Turns(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    is_taken: bool,
    is_closed: bool,
    waiting: VecDeque<oneshot::Sender<PasswordTurn>>,
}

/// The right to check a password. When dropped, it passes to the next request.
#[derive(Debug)]
struct PasswordTurn(Arc<Turns>);

/// Result of an access check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Admitted.
    Granted,
    /// Refused: name or password are wrong or missing.
    Refused,
    /// Too many passwords are waiting to be checked.
    Busy,
}

impl Users {
    /// No users: everybody is admitted.
    pub(super) fn everybody() -> Self {
        Self {
            by_name: BTreeMap::new(),
            key: hmac::Key::new(hmac::HMAC_SHA256, &[]),
            turns: Arc::default(),
        }
    }

    /// The users of a file. A password accepted `before` under the same hash needs no new check. Refuses invalid
    /// hashes, and those that take too long to check.
    pub(super) fn new(
        hashes: BTreeMap<String, String>,
        before: Option<&Self>,
    ) -> Result<Self, WebConfigProblem> {
        let before = before.filter(|users| !users.by_name.is_empty());
        let mut by_name = BTreeMap::new();
        for (user, hash) in hashes {
            match HashParts::from_str(&hash).map(|parts| parts.get_cost()) {
                Ok(cost) if cost > MAX_COST => return Err(WebConfigProblem::Cost { user, cost }),
                Ok(_) => {}
                // The error would show the hash.
                Err(_) => return Err(WebConfigProblem::Hash(user)),
            }
            let known = before.and_then(|users| users.by_name.get(&user));
            let right = known.filter(|known| *known.hash == *hash).and_then(User::right);
            let hash = hash.into();
            let right = Mutex::new(right);
            by_name.insert(user, User { hash, right });
        }
        let key = match before {
            Some(users) => users.key.clone(),
            None => hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
                .ok()
                .ok_or(WebConfigProblem::Yaml("the kernel provides no random numbers"))?,
        };
        let turns = before.map_or_else(Arc::default, |users| Arc::clone(&users.turns));
        Ok(Self { by_name, key, turns })
    }

    /// Whether a name is required.
    pub(super) fn is_asked(&self) -> bool {
        !self.by_name.is_empty()
    }

    /// Whether a request with this `Authorization` header is admitted.
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

    /// Whether this is the last accepted password; compared in constant time.
    fn was_right(&self, user: &User, password: &[u8]) -> bool {
        user.right()
            .is_some_and(|tag| hmac::verify(&self.key, password, tag.as_ref()).is_ok())
    }

    /// Checks a password outside the server's tasks. `None`: its turn did not come in time.
    async fn verify(&self, hash: Arc<str>, password: Vec<u8>) -> Option<bool> {
        let turn = timeout(TURN_WAIT, Turns::next(&self.turns)).await.ok()??;
        let check = tokio::task::spawn_blocking(move || {
            // The check continues, and keeps its turn, even if the client has gone.
            let _turn = turn;
            bcrypt::verify(password, &hash).unwrap_or(false)
        });
        check.await.ok()
    }
}

impl User {
    fn right(&self) -> Option<hmac::Tag> {
        *self.right.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turns {
    /// Waits for a turn; `None` if too many newer ones wait.
    async fn next(turns: &Arc<Self>) -> Option<PasswordTurn> {
        let waiting = {
            let mut queue = turns.queue();
            if queue.is_closed {
                return None;
            }
            if !queue.is_taken {
                queue.is_taken = true;
                return Some(PasswordTurn(Arc::clone(turns)));
            }
            if queue.waiting.len() == MAX_WAITING {
                queue.waiting.pop_front();
            }
            let (turn, waiting) = oneshot::channel();
            queue.waiting.push_back(turn);
            waiting
        };
        waiting.await.ok()
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for PasswordTurn {
    fn drop(&mut self) {
        let next = {
            let mut queue = self.0.queue();
            let next = queue.waiting.pop_back();
            queue.is_taken = next.is_some();
            next
        };
        if let Some(next) = next {
            // The waiting request may be gone: then dropping the turn passes it to the one before.
            drop(next.send(Self(Arc::clone(&self.0))));
        }
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
        let users = |hash: &str| Users::new([("alice".to_owned(), hash.to_owned())].into(), None);
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
        let users = Users::new([("alice".to_owned(), hash)].into(), None).unwrap();
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
        assert!(users.by_name["alice"].right().is_some());
    }

    #[tokio::test]
    async fn a_password_stays_right_while_its_hash_is_the_same() {
        let hash = bcrypt::hash("sesame", 4).unwrap();
        let file = |hash: &str| [("alice".to_owned(), hash.to_owned())].into();
        let users = Users::new(file(&hash), None).unwrap();
        let header = format!("Basic {}", BASE64_STANDARD.encode("alice:sesame"));
        let header = Some(header.as_bytes());
        assert_eq!(users.check(header).await, Access::Granted);
        let same = Users::new(file(&hash), Some(&users)).unwrap();
        assert!(same.by_name["alice"].right().is_some());
        let other = bcrypt::hash("other", 4).unwrap();
        let other = Users::new(file(&other), Some(&same)).unwrap();
        assert!(other.by_name["alice"].right().is_none());
        assert_eq!(other.check(header).await, Access::Refused);
    }

    #[tokio::test]
    async fn the_newest_is_the_next_and_the_oldest_gives_way() {
        let turns = Arc::default();
        let first = Turns::next(&turns).await.unwrap();
        let mut asked: Vec<_> = (0..=MAX_WAITING)
            .map(|_| {
                let turns = Arc::clone(&turns);
                tokio::spawn(async move { Turns::next(&turns).await })
            })
            .collect();
        while turns.queue().waiting.len() < MAX_WAITING {
            tokio::task::yield_now().await;
        }
        assert!(asked.remove(0).await.unwrap().is_none());
        drop(first);
        let newest = asked.pop().unwrap().await.unwrap();
        assert!(newest.is_some());
        // A client that has gone does not keep the turn.
        for waiting in asked {
            waiting.abort();
            assert!(waiting.await.is_err());
        }
        drop(newest);
        assert!(!turns.queue().is_taken);
    }

    #[tokio::test]
    async fn what_was_found_right_is_not_computed_again() {
        let hash = bcrypt::hash("sesame", 4).unwrap();
        let users = Users::new([("alice".to_owned(), hash)].into(), None).unwrap();
        let header = format!("Basic {}", BASE64_STANDARD.encode("alice:sesame"));
        assert_eq!(users.check(Some(header.as_bytes())).await, Access::Granted);
        // From here on no hash can be computed.
        users.turns.queue().is_closed = true;
        assert_eq!(users.check(Some(header.as_bytes())).await, Access::Granted);
        let wrong = format!("Basic {}", BASE64_STANDARD.encode("alice:wrong"));
        assert_eq!(users.check(Some(wrong.as_bytes())).await, Access::Busy);
    }
}
