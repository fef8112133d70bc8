"""What generators leave behind is recognised, what only resembles it is not."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.inference.provenance.inspector import inspect
from src.inference.provenance.parameters import judge_texts
from tests.inference.provenance.makers import COMFY_DRAWN, COMFY_RUN, WEB_UI, exif, photo, png, reencoded, xmp

NOVEL_AI = json.dumps({"prompt": "a bag", "uc": "text", "steps": 28, "sampler": "k_euler"})
DRAW_THINGS = json.dumps({"c": "a bag", "uc": "text", "steps": 20, "sampler": "DPM++ 2M"})
FOOOCUS = json.dumps({"base_model": "juggernaut", "sampler": "dpmpp_2m", "performance": "Speed"})
MIDJOURNEY = "a bag --v 6.0 Job ID: 0f0f0f0f-1234-4321-abcd-000000000000"


@pytest.mark.parametrize(
    ("key", "text", "tool"),
    [
        ("parameters", WEB_UI, "Stable Diffusion web UI"),
        ("prompt", COMFY_RUN, "ComfyUI"),
        ("workflow", COMFY_DRAWN, "ComfyUI"),
        ("invokeai_metadata", "{}", "InvokeAI"),
        ("sd-metadata", "{}", "InvokeAI"),
        ("Dream", '"a bag" -s 50', "InvokeAI"),
        ("Comment", NOVEL_AI, "NovelAI"),
        ("parameters", json.dumps({"sui_image_params": {"seed": 1}}), "SwarmUI"),
        ("parameters", FOOOCUS, "Fooocus"),
        ("Description", MIDJOURNEY, "Midjourney"),
        ("use_stable_diffusion_model", "sd-v1-4", "Easy Diffusion"),
        ("AIGC", json.dumps({"Label": "1", "ContentProducer": "somebody"}), "AIGC label"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_the_texts_of_each_tool_are_strong_words(key, text, tool, packed):
    (signal,) = inspect(png({key: text}, packed=packed)).signals
    assert (signal.kind, signal.says, signal.strength) == ("generator_parameters", "ai_generated", "strong")
    assert signal.detail["tool"] == tool


def test_draw_things_is_known_by_the_comment_in_its_xmp():
    packet = xmp("", "xmlns:exif='http://ns.adobe.com/exif/1.0/' exif:UserComment='" + DRAW_THINGS + "'")
    (signal,) = inspect(photo(xmp=packet.encode())).signals
    assert signal.detail["tool"] == "Draw Things"


@pytest.mark.parametrize(
    ("tag", "text"), [(0x010F, f"workflow:{COMFY_DRAWN}"), (0x0110, f"prompt:{COMFY_RUN}")]
)
def test_comfyui_hides_in_the_exif_of_webp(tag, text):
    file = photo("WEBP", exif=exif({0x010F: "workflow:{}", 0x0110: "prompt:{}"} | {tag: text}))
    (signal,) = inspect(file).signals
    assert (signal.kind, signal.detail["tool"], signal.says) == (
        "generator_parameters",
        "ComfyUI",
        "ai_generated",
    )


def test_a_jpegs_comment_is_read():
    assert inspect(photo(comment=WEB_UI)).strength_of("ai_generated") == "strong"


def test_figures_are_kept_and_prompts_are_not():
    (signal,) = inspect(png({"parameters": WEB_UI})).signals
    assert signal.detail["sampler"] == "Euler a"
    assert signal.detail["model"] == "sd15"
    assert "leather" not in signal.model_dump_json()


def graph(*kinds: str) -> str:
    return json.dumps({str(at): {"class_type": kind, "inputs": {}} for at, kind in enumerate(kinds)})


@pytest.mark.parametrize(
    ("kinds", "says", "strength"),
    [
        (("KSampler", "VAEDecode"), "ai_generated", "strong"),
        (("SamplerCustomAdvanced",), "ai_generated", "strong"),
        (("OpenAIGPTImage1", "SaveImage"), "ai_generated", "strong"),
        (("LoadImage", "VAEEncode", "KSampler"), "ai_edited", "strong"),
        (("LoadImage", "ImageScale", "SaveImage"), "unknown", "weak"),
    ],
)
def test_a_comfyui_graph_is_read_for_what_it_did(kinds, says, strength):
    (signal,) = judge_texts([("prompt", graph(*kinds))])
    assert (signal.says, signal.strength) == (says, strength)


def test_of_two_graphs_the_one_that_says_more_is_told():
    quiet = json.dumps({"nodes": [{"type": "SaveImage"}], "links": []})
    (signal,) = judge_texts([("workflow", quiet), ("prompt", COMFY_RUN)])
    assert signal.says == "ai_generated"


@pytest.mark.parametrize(("label", "strength"), [("1", "strong"), ("2", "weak"), ("3", "weak")])
@pytest.mark.parametrize("nested", [False, True])
def test_the_aigc_label_tells_how_sure_its_writer_was(label, strength, nested):
    text = json.dumps({"Label": label, "ContentProducer": "somebody"})
    packet = xmp(f"<TC260:AIGC>{text}</TC260:AIGC>")
    file = png({"AIGC": json.dumps({"AIGC": text})}) if nested else photo(xmp=packet.encode())
    (signal,) = inspect(file).signals
    assert (signal.says, signal.strength, signal.detail["producer"]) == ("ai_generated", strength, "somebody")


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("Description", "A leather bag; steps: 20 of them in our shop"),
        ("Comment", json.dumps({"uc": "under cover"})),
        ("Comment", "{not json}"),
        ("Title", json.dumps({"nodes": ["a"], "links": []})),
        ("Title", json.dumps(["class_type"])),
        ("Title", json.dumps({"a": {"class_type": 5}})),
        ("AIGC", json.dumps({"Label": "0"})),
        ("AIGC", json.dumps({"AIGC": 5})),
        ("Author", "Jo Doe"),
    ],
)
def test_what_only_resembles_parameters_is_passed_over(key, text):
    assert inspect(png({key: text})).signals == ()


def test_json_nested_beyond_all_depth_is_passed_over():
    assert judge_texts([("prompt", '{"a":' * 200_000)]) == []


def test_a_saved_copy_without_metadata_says_nothing():
    assert inspect(reencoded(png({"parameters": WEB_UI}), "PNG")).signals == ()


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=12), st.text(max_size=60)), max_size=4))
def test_no_texts_make_it_raise(texts):
    assert isinstance(judge_texts(texts), list)
