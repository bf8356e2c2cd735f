/* Compiles HLSL files for scripts/dxc.py, by Microsoft's compilers: compile.exe dxc|fxc FILE...
 *
 * A line a file: `ok SECONDS FILE` or `refused SECONDS FILE: the first complaint`. The arguments are those that wgpu gives.
 */
#define COBJMACROS
#include <d3dcompiler.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

/* Of dxcapi.h, which mingw lacks, what is called here; places in a vtable count from IUnknown's three on. */
typedef struct {
    const void *text;
    SIZE_T size;
    UINT encoding;
} Source;
static const GUID compiler_class = {0x73e22d93, 0xe6ce, 0x47f3, {0xb5, 0xbf, 0xf0, 0x66, 0x4f, 0x39, 0xc1, 0xb0}};
static const GUID compiler_3 = {0x228b4687, 0x5a6a, 0x4730, {0x90, 0x0c, 0x97, 0x02, 0xb2, 0x20, 0x3f, 0x54}};
static const GUID operation_result = {0xcedb484a, 0xd4e9, 0x445a, {0xb9, 0x91, 0xca, 0x21, 0xca, 0x15, 0x7d, 0xc2}};
#define METHOD(object, place) ((*(void ***)(object))[place])
typedef HRESULT(WINAPI *Compile)(void *, const Source *, LPCWSTR *, UINT, void *, REFIID, void **);
typedef HRESULT(WINAPI *GetStatus)(void *, HRESULT *);
typedef HRESULT(WINAPI *GetBlob)(void *, void **);
typedef void *(WINAPI *GetPointer)(void *);
typedef HRESULT(WINAPI *Create)(REFIID, REFIID, void **);

static HRESULT by_dxc(void *compiler, const char *text, size_t size, const char **told) {
    LPCWSTR arguments[] = {L"-E", L"main", L"-T", L"cs_6_0", L"-HV", L"2018", L"-no-warnings", L"-Ges"};
    Source source = {text, size, 65001};
    void *result = NULL, *errors = NULL;
    HRESULT status = ((Compile)METHOD(compiler, 3))(compiler, &source, arguments, 8, NULL, &operation_result, &result);
    if (FAILED(status)) return status;
    ((GetStatus)METHOD(result, 3))(result, &status);
    ((GetBlob)METHOD(result, 5))(result, &errors);
    if (errors) *told = ((GetPointer)METHOD(errors, 3))(errors);
    return status;
}

static HRESULT by_fxc(pD3DCompile compile, const char *text, size_t size, const char **told) {
    ID3DBlob *code = NULL, *errors = NULL;
    UINT flags = D3DCOMPILE_ENABLE_STRICTNESS;
    HRESULT status = compile(text, size, NULL, NULL, NULL, "main", "cs_5_1", flags, 0, &code, &errors);
    if (errors) *told = ID3D10Blob_GetBufferPointer(errors);
    return status;
}

int main(int count, char **arguments) {
    int is_dxc = !strcmp(arguments[1], "dxc");
    HMODULE library = LoadLibraryA(is_dxc ? "dxcompiler.dll" : "d3dcompiler_47.dll");
    if (!library) return printf("the DLL cannot be loaded\n"), 1;
    void *compiler = NULL;
    pD3DCompile fxc = NULL;
    if (is_dxc) {
        Create create = (Create)(void *)GetProcAddress(library, "DxcCreateInstance");
        if (!create || FAILED(create(&compiler_class, &compiler_3, &compiler))) return printf("DXC does not begin\n"), 1;
    } else {
        fxc = (pD3DCompile)(void *)GetProcAddress(library, "D3DCompile");
    }
    for (int i = 2; i < count; i++) {
        FILE *file = fopen(arguments[i], "rb");
        if (!file) return printf("cannot read %s\n", arguments[i]), 1;
        char *text = malloc(1 << 20);
        size_t size = fread(text, 1, 1 << 20, file);
        fclose(file);
        const char *told = "";
        DWORD began = GetTickCount();
        HRESULT status = is_dxc ? by_dxc(compiler, text, size, &told) : by_fxc(fxc, text, size, &told);
        double seconds = (GetTickCount() - began) / 1000.0;
        const char *error = told ? strstr(told, "error") : NULL;
        if (SUCCEEDED(status))
            printf("ok %.2f %s\n", seconds, arguments[i]);
        else
            printf("refused %.2f %s: %.*s\n", seconds, arguments[i], (int)strcspn(error ? error : "", "\r\n"), error ? error : "");
        fflush(stdout);
        free(text);
    }
    printf("end\n");
    return 0;
}
