"""A crate that breaks each rule of the public face in one place, and the places."""

import pathlib
import tempfile

import text
from rules import RULES
from rustdoc import Face

MANIFEST = """[package]
name = "planted"
version = "0.0.0"
edition = "2024"
[features]
default = []
more = []
internals = []
[dependencies]
early = { path = "early", version = "0.3" }
settled = { path = "settled", version = "1.2" }
futures-core = { path = "futures-core", version = "0.3" }
[workspace]
"""

LIBRARY = """
mod inner {
    #[derive(Debug)]
    #[non_exhaustive]
    pub struct Twice;

    #[derive(Debug)]
    #[non_exhaustive]
    pub struct Nameless;

    #[cfg(feature = "internals")]
    pub struct Internal;

    #[doc(hidden)]
    pub struct Hidden;
}
#[cfg(feature = "internals")]
pub use inner::Internal;
#[doc(hidden)]
pub use inner::Hidden;
pub use inner::Twice;
pub use settled as of_another;
pub use early as too_early;
pub use early::within as part;
/// Whatever other crates have.
pub mod globs {
    pub use early::within::*;
    pub use settled::*;
}
pub use Closed::*;
#[doc(hidden)]
pub mod unseen {
    pub use crate::Open;
}
#[doc(hidden)]
pub mod __private {
    pub use crate::Sealed as StorageBuf;
    pub fn beside() {}
}
pub type Renamed = BareError;
pub type Chosen = Lent<'static, u8>;

#[derive(Debug)]
#[non_exhaustive]
pub struct Lent<'a, T>(pub &'a T);
pub type Again<'a, T> = Lent<'a, T>;

/// Public under a path of its own and at the root.
pub mod open {
    pub use crate::inner::Twice;
    use core::result::Result as Either;

    pub type Outcome = Either<(), core::fmt::Error>;

    /// Fails, and says nothing about it.
    pub fn silent() -> Result<(), core::fmt::Error> {
        Ok(())
    }

    /// Fails.
    ///
    /// # Errors
    /// Never, in truth.
    pub fn documented() -> Result<(), core::fmt::Error> {
        Ok(())
    }

    pub fn later() -> impl Future<Output = Result<(), core::fmt::Error>> {
        core::future::ready(Ok(()))
    }

    pub async fn much_later() -> Outcome {
        Ok(())
    }

    pub fn perhaps() -> Option<Outcome> {
        None
    }

    #[derive(Debug)]
    #[non_exhaustive]
    pub struct Refusal;
    pub type Why = Refusal;

    /// Fails.
    ///
    /// # Errors
    /// Always.
    pub fn refused() -> Option<Result<(), Why>> {
        None
    }

    pub fn leaking() -> super::inner::Nameless {
        super::inner::Nameless
    }
}

#[derive(Debug)]
pub struct Open {
    pub field: u8,
}

/// Exhaustive: there are three answers.
#[derive(Debug)]
pub enum Closed {
    Yes(u8),
    No { why: u16 },
    Perhaps,
}

#[derive(Debug)]
pub struct Sealed {
    secret: u8,
}

#[derive(Debug)]
pub struct HalfHidden {
    #[doc(hidden)]
    pub field: u8,
}

#[derive(Debug)]
pub enum Partly {
    Shown,
    #[doc(hidden)]
    Unseen,
}

impl Partly {
    #[doc(hidden)]
    pub fn unseen(&self) {}
}

impl Sealed {
    pub fn get(&self) -> std::io::Result<u8> {
        Ok(self.secret)
    }
    pub fn lent(&self, _: settled::Settled) -> Option<&early::Early> {
        None
    }
}

impl Iterator for Sealed {
    type Item = early::Early;
    fn next(&mut self) -> Option<early::Early> {
        None
    }
}

impl futures_core::Stream for Sealed {
    type Item = u8;
}

impl From<Sealed> for early::Early {
    fn from(_: Sealed) -> Self {
        early::Early
    }
}

impl Lent<'_, early::Early> {
    pub fn lend() {}
}

pub trait Ours {}
impl Ours for early::within::Deep {}

#[cfg(feature = "more")]
#[non_exhaustive]
pub struct Unprinted;

#[derive(Debug)]
#[non_exhaustive]
pub struct BareError;
"""

PAGE = """# Written by .ci/api --write. Features: more.

planted
  type Again<'a, T> = Lent<'a, T>
  #[non_exhaustive] struct BareError
    impl Debug
  type Chosen = Lent<'static, u8>
  enum Closed
    Yes(u8)
    No { why: u16 }
    Perhaps
    impl Debug
  struct HalfHidden
    impl Debug
  #[non_exhaustive] struct Lent<'a, T>
    0: &'a T
    fn lend()
    impl Debug
  No { why: u16 }
  struct Open
    field: u8
    impl Debug
  trait Ours
  enum Partly
    Shown
    impl Debug
  Perhaps
  type Renamed = BareError
  struct Sealed
    fn get(&self) -> io::Result<u8>
    fn lent(&self, _: settled::Settled) -> Option<&early::Early>
    impl Debug, From<Sealed> for early::Early, Iterator [Item = Early], Stream [Item = u8]
  #[non_exhaustive] struct Twice
    impl Debug
  #[non_exhaustive] struct Unprinted
  Yes(u8)
  use settled as of_another
  use early::within as part
  use early as too_early

planted::globs
  use early::within::*
  use settled::*

planted::open
  type Outcome = result::Result<(), fmt::Error>
  #[non_exhaustive] struct Refusal
    impl Debug
  type Why = Refusal
  fn documented() -> Result<(), fmt::Error>
  fn later() -> impl Future<Output = Result<(), fmt::Error>>
  fn leaking() -> Nameless
  async fn much_later() -> Outcome
  fn perhaps() -> Option<Outcome>
  fn refused() -> Option<Result<(), Why>>
  fn silent() -> Result<(), fmt::Error>
"""

FOUND = {
    "limit": ["26 public names, at most 8 are wanted"],
    "paths": [
        "its enum's No and planted::No",
        "its enum's Perhaps and planted::Perhaps",
        "its enum's Yes and planted::Yes",
        "planted::Again and planted::Lent",
        "planted::BareError and planted::Renamed",
        "planted::Open and planted::unseen::Open",
        "planted::Twice and planted::open::Twice",
        "planted::open::Refusal and planted::open::Why",
    ],
    "hidden": [
        "__private::beside",
        "planted::HalfHidden::field",
        "planted::Hidden",
        "planted::Partly::Unseen",
        "planted::Partly::unseen",
        "planted::unseen::Open",
        "planted::unseen::Open::field",
    ],
    "nameable": ["planted::open::leaking names planted::inner::Nameless"],
    "foreign": [
        "planted::Lent, impl names early::Early of early 0.3.1",
        "planted::Ours, implemented names early::within::Deep of early 0.3.1",
        "planted::Sealed, impl From names early::Early of early 0.3.1",
        "planted::Sealed, impl Iterator::Item names early::Early of early 0.3.1",
        "planted::Sealed::lent names early::Early of early 0.3.1",
        "planted::globs::* is all of early::within",
        "planted::globs::* is all of settled",
        "planted::part, re-exported, names early::within of early 0.3.1",
        "planted::too_early, re-exported, names early of early 0.3.1",
    ],
    "exhaustive": [
        "struct planted::HalfHidden",
        "struct planted::Hidden",
        "struct planted::Open",
        "enum planted::Partly",
    ],
    "errors": [
        "planted::Sealed::get",
        "planted::open::later",
        "planted::open::much_later",
        "planted::open::perhaps",
        "planted::open::silent",
    ],
    "error-types": [
        "planted::BareError does not implement Display and Error",
        "planted::open::Refusal does not implement Display and Error",
    ],
    "debug": ["planted::Unprinted"],
}


def run():
    """The complaints about the rules themselves."""
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        crates = {
            "early": ("0.3.1", "pub struct Early; pub mod within { pub struct Deep; }"),
            "settled": ("1.2.0", "pub struct Settled;"),
            "futures-core": ("0.3.9", "pub trait Stream { type Item; }"),
        }
        for name, (version, source) in crates.items():
            write(root / name, f'[package]\nname = "{name}"\nversion = "{version}"\nedition = "2024"\n', source)
        write(root, MANIFEST, LIBRARY)
        face = Face(root / "Cargo.toml")
        if text.page(face) != PAGE:
            yield f"the list is not what was expected:\n{text.page(face)}"
        for name, rule in RULES.items():
            found = list(rule(face, 8) if name == "limit" else rule(face))
            if found != FOUND[name]:
                yield f"{name} found {found} where it should have found {FOUND[name]}"


def write(folder, manifest, source):
    (folder / "src").mkdir(parents=True)
    (folder / "Cargo.toml").write_text(manifest)
    (folder / "src" / "lib.rs").write_text(source)
