package console

import (
	"bytes"
	"cmp"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"slices"
	"testing"
)

// tallest is the height of a picture that is kept, in pixels; what is below is cut off.
const tallest = 1300

// small makes a picture small: its upper part, in its 256 most frequent colours.
func small(t testing.TB, picture []byte) []byte {
	t.Helper()
	whole, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	area := whole.Bounds()
	area.Max.Y = min(area.Max.Y, area.Min.Y+tallest)
	paletted := image.NewPaletted(area, frequent(whole, area))
	draw.Draw(paletted, area, whole, area.Min, draw.Src)
	var b bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(&b, paletted); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// frequent returns the most frequent colours of an area. Those that hardly differ count as one.
func frequent(i image.Image, area image.Rectangle) color.Palette {
	const most, alike = 256, 3 // bits of a channel that do not count
	counts := map[color.RGBA]int{}
	exact := map[color.RGBA]color.RGBA{}
	for y := area.Min.Y; y < area.Max.Y; y++ {
		for x := area.Min.X; x < area.Max.X; x++ {
			c := color.RGBAModel.Convert(i.At(x, y)).(color.RGBA)
			coarse := color.RGBA{c.R >> alike, c.G >> alike, c.B >> alike, 0}
			counts[coarse]++
			if _, known := exact[coarse]; !known {
				exact[coarse] = c
			}
		}
	}
	var all []color.RGBA
	for c := range counts {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b color.RGBA) int { return cmp.Compare(counts[b], counts[a]) })
	var palette color.Palette
	for _, c := range all[:min(len(all), most)] {
		palette = append(palette, exact[c])
	}
	return palette
}
