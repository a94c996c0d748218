mod codec;
mod machine;
mod observed;
mod push;
mod records;
