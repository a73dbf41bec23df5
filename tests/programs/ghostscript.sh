#!/bin/bash
# ghostscript renders generated PostScript (curves, text in several fonts, images, gradients) to an image,
# and converts it to PDF and that to an image again: equal pixels.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
need gs

gs_image() {
    under gs -q -dSAFER -dBATCH -dNOPAUSE -sDEVICE=ppmraw -r96 -dTextAlphaBits=4 -dGraphicsAlphaBits=4 \
        -sOutputFile=page%d.ppm "$inputs/pages.ps"
    cksum page1.ppm page2.ppm page3.ppm
}

# The PDF itself holds the time and a random identifier, so its pixels are compared.
gs_pdf() {
    under gs -q -dSAFER -dBATCH -dNOPAUSE -sDEVICE=pdfwrite -sOutputFile=pages.pdf "$inputs/pages.ps"
    under gs -q -dSAFER -dBATCH -dNOPAUSE -sDEVICE=png16m -r50 -sOutputFile=pdf%d.png pages.pdf
    cksum pdf1.png pdf2.png pdf3.png
}

gs_error() {
    echo '/a 1 def (text) a add' >bad.ps
    under gs -q -dSAFER -dBATCH -dNOPAUSE -sDEVICE=nullpage bad.ps 2>&1
}

both gs_image
same page1.ppm page2.ppm page3.ppm
both gs_pdf
both gs_error 1
saw gs
done_ok
