//! Any bencoded value, as a tree: read with the library's reader, written with its writer, or grown from any bytes.

use arbitrary::{Result, Unstructured};
use honeyguide::internals::krpc::bencode::{ReadError, Reader, Writer};

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Tree {
    Int(i64),
    Bytes(Vec<u8>),
    List(Vec<Tree>),
    /// In the order of the wire, keys perhaps more than once.
    Dict(Vec<(Vec<u8>, Tree)>),
}

impl Tree {
    /// Reads one value. Depth is the reader's to limit.
    pub fn read(reader: &mut Reader<'_>) -> std::result::Result<Tree, ReadError> {
        if reader.open_dict()? {
            let mut entries = Vec::new();
            while let Some(key) = reader.key()? {
                entries.push((key.to_vec(), Tree::read(reader)?));
            }
            Ok(Tree::Dict(entries))
        } else if reader.open_list()? {
            let mut entries = Vec::new();
            while !reader.close() {
                entries.push(Tree::read(reader)?);
            }
            Ok(Tree::List(entries))
        } else if reader.peek() == b'i' {
            reader.int().map(Tree::Int)
        } else {
            reader.string().map(|bytes| Tree::Bytes(bytes.to_vec()))
        }
    }

    pub fn write(&self, writer: &mut Writer<'_>) {
        match self {
            Tree::Int(number) => writer.int(*number),
            Tree::Bytes(bytes) => writer.bytes(bytes),
            Tree::List(entries) => {
                writer.raw(b"l");
                entries.iter().for_each(|entry| entry.write(writer));
                writer.raw(b"e");
            }
            Tree::Dict(entries) => {
                writer.raw(b"d");
                for (key, entry) in entries {
                    writer.bytes(key);
                    entry.write(writer);
                }
                writer.raw(b"e");
            }
        }
    }

    /// Its bytes, and a check that a buffer of exactly that size is large enough and a smaller one is not.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![0; self.size()];
        let mut writer = Writer::new(&mut out);
        self.write(&mut writer);
        assert_eq!(writer.finish(), Ok(self.size()));
        let mut short = vec![0; self.size() - 1];
        let mut writer = Writer::new(&mut short);
        self.write(&mut writer);
        assert!(writer.finish().is_err());
        out
    }

    fn size(&self) -> usize {
        let string = |bytes: &[u8]| bytes.len().to_string().len() + 1 + bytes.len();
        match self {
            Tree::Int(number) => 2 + number.to_string().len(),
            Tree::Bytes(bytes) => string(bytes),
            Tree::List(entries) => 2 + entries.iter().map(Tree::size).sum::<usize>(),
            Tree::Dict(entries) => 2 + entries.iter().map(|(key, entry)| string(key) + entry.size()).sum::<usize>(),
        }
    }

    /// Whether each dictionary has its keys in strictly ascending order.
    pub fn is_sorted(&self) -> bool {
        match self {
            Tree::Int(_) | Tree::Bytes(_) => true,
            Tree::List(entries) => entries.iter().all(Tree::is_sorted),
            Tree::Dict(entries) => {
                entries.is_sorted_by(|(a, _), (b, _)| a < b) && entries.iter().all(|(_, entry)| entry.is_sorted())
            }
        }
    }

    /// Containers inside one another.
    pub fn depth(&self) -> u32 {
        match self {
            Tree::Int(_) | Tree::Bytes(_) => 0,
            Tree::List(entries) => 1 + entries.iter().map(Tree::depth).max().unwrap_or(0),
            Tree::Dict(entries) => 1 + entries.iter().map(|(_, entry)| entry.depth()).max().unwrap_or(0),
        }
    }

    /// Keys, values and containers.
    pub fn tokens(&self) -> u32 {
        match self {
            Tree::Int(_) | Tree::Bytes(_) => 1,
            Tree::List(entries) => 1 + entries.iter().map(Tree::tokens).sum::<u32>(),
            Tree::Dict(entries) => 1 + entries.iter().map(|(_, entry)| 1 + entry.tokens()).sum::<u32>(),
        }
    }

    /// A value grown from any bytes; keys ascend if `sorted`.
    pub fn grow(u: &mut Unstructured<'_>, depth: u32, sorted: bool) -> Result<Tree> {
        Ok(match u.int_in_range(0..=if depth == 0 { 1u8 } else { 3 })? {
            0 => Tree::Int(u.arbitrary()?),
            1 => Tree::Bytes(u.arbitrary::<&[u8]>()?.to_vec()),
            2 => {
                let mut entries = Vec::new();
                while !u.is_empty() && u.arbitrary()? {
                    entries.push(Tree::grow(u, depth - 1, sorted)?);
                }
                Tree::List(entries)
            }
            _ => {
                let mut entries = Vec::new();
                while !u.is_empty() && u.arbitrary()? {
                    let key = u.arbitrary::<&[u8]>()?.to_vec();
                    entries.push((key, Tree::grow(u, depth - 1, sorted)?));
                }
                if sorted {
                    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
                    entries.dedup_by(|(a, _), (b, _)| a == b);
                }
                Tree::Dict(entries)
            }
        })
    }
}
