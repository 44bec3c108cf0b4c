//! Pictures: decode, encode, resize, warp. The only code that knows OpenCV and libjpeg.
