"""Forms with brackets are read as Stripe reads them."""
import pytest

from tests.stripe import forms

READ = [
    ("", {}),
    ("a=1&b=2", {"a": "1", "b": "2"}),
    ("a=1&a=2", {"a": "2"}),
    ("a[b]=1&a[c][d]=2", {"a": {"b": "1", "c": {"d": "2"}}}),
    ("a[0]=x&a[1]=y", {"a": ["x", "y"]}),
    ("a[1]=y&a[0]=x", {"a": ["x", "y"]}),
    ("a[7]=x", {"a": ["x"]}),
    ("a[]=x&a[]=y", {"a": ["x", "y"]}),
    ("a[0][b]=1&a[0][c]=2&a[1][b]=3", {"a": [{"b": "1", "c": "2"}, {"b": "3"}]}),
    ("a[][b]=1&a[][c]=2&a[][b]=3", {"a": [{"b": "1", "c": "2"}, {"b": "3"}]}),
    ("a%5Bb%5D=1", {"a": {"b": "1"}}),
    ("a=%20x+y%2B", {"a": " x y+"}),
    ("a=%C3%A9", {"a": "é"}),
    ("a=", {"a": ""}),
    ("a", {"a": ""}),
    ("a=b=c", {"a": "b=c"}),
    ("metadata[order_id]=o1&metadata[a.b]=2", {"metadata": {"order_id": "o1", "a.b": "2"}}),
]


@pytest.mark.parametrize("text, fields", READ)
def test_what_is_read(text, fields):
    assert forms.decode(text) == fields


@pytest.mark.parametrize("text", ["a[=1", "a]=1", "[a]=1", "a[b]c=1", "a=1&a[b]=2", "a[b]=1&a=2", "a[0]=1&a[b]=2", "a=%ff", "a" + "[b]" * 20 + "=1"])
def test_what_stands_in_conflict_is_refused(text):
    with pytest.raises(forms.BadForm):
        forms.decode(text)


@pytest.mark.parametrize("fields", [
    {"a": {"b": ["1", {"c": "é & ü"}]}, "d": "+ %"}, {"line_items": [{"price_data": {"currency": "usd"}}]}, {"success_url": "http://x/?a={ID}&b=1"}])
def test_what_is_written_is_read_again(fields):
    assert forms.decode(forms.encode(fields)) == fields


def test_values_are_written_as_a_client_writes_them():
    assert forms.encode({"a": True, "b": None, "c": 5, "d": [False]}) == "a=true&b=&c=5&d[0]=false"
