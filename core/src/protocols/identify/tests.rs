mod codec;
mod machine;
mod push;
mod records;
